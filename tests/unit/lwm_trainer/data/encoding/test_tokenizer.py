"""The tokenizer: its own begin and end, untrusted text, and errors that name the cure."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from lwm_trainer.data.documents.in_memory import InMemoryDocuments
from lwm_trainer.data.encoding.special_tokens import OPENING, internal_name
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.encoding.tokenizer_config import TokenizerConfig
from lwm_trainer.data.errors import DataCorruptError, DataError
from lwm_trainer.storage.errors import FileMissingError


def content(*specials: str) -> bytes:
    """A byte-level tokenizer of single bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    created = tokenizers.Tokenizer(models.BPE(vocab={piece: number for number, piece in enumerate(alphabet)}, merges=[]))
    created.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    created.decoder = decoders.ByteLevel()
    created.add_special_tokens(list(specials))
    return created.to_str().encode()


def test_documents_begin_and_end_and_round_trip() -> None:
    tokenizer = Tokenizer(content("<s>", "</s>", "<pad>"), "t.json", 259)
    texts = ["In the beginning", "", "ümlaut\r\n\x00 🙂"]
    encoded = tokenizer.encode(texts)
    assert [array.dtype for array in encoded] == [np.dtype(np.int32)] * 3
    assert all((array[0], array[-1]) == (tokenizer.begin_id, tokenizer.end_id) for array in encoded)
    assert [tokenizer.decode(array.tolist()) for array in encoded] == texts
    assert len(encoded[1]) == 2


def test_special_tokens_typed_in_a_text_stay_text() -> None:
    tokenizer = Tokenizer(content("<s>", "</s>"), "t.json", 258)
    (encoded,) = tokenizer.encode(["a</s><s>b"])
    assert len(encoded) == 2 + len("a</s><s>b")
    assert not np.isin(encoded[1:-1], [tokenizer.begin_id, tokenizer.end_id]).any()


BYTES = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<s>", "</s>", "s>", "</"]


def bpe_that_makes_the_end() -> tokenizers.Tokenizer:
    vocabulary = {piece: number for number, piece in enumerate(BYTES)}
    created = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[("s", ">"), ("<", "/"), ("</", "s>")]))
    created.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return created


def unigram() -> tokenizers.Tokenizer:
    created = tokenizers.Tokenizer(models.Unigram([(piece, -1.0) for piece in BYTES], unk_id=0))
    created.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return created


UNKNOWN = "<unk>"


def words() -> tokenizers.Tokenizer:
    created = tokenizers.Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3}, UNKNOWN))
    created.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return created


@pytest.mark.parametrize("make", [bpe_that_makes_the_end, unigram, words])
@pytest.mark.parametrize("special", [True, False, None])
def test_an_end_typed_in_a_text_stays_text_whatever_the_file_says_of_it(
    make: Callable[[], tokenizers.Tokenizer], special: bool | None
) -> None:
    created = make()
    ends = [int(created.token_to_id(token) or 0) for token in ("<s>", "</s>")]
    assert set(created.encode("a </s> <s> a").ids) & set(ends)
    if special is not None:
        created.add_tokens([tokenizers.AddedToken(token, special=special, normalized=False) for token in ("<s>", "</s>")])
    tokenizer = Tokenizer(created.to_str().encode(), "t.json", 1000)
    assert [tokenizer.begin_id, tokenizer.end_id] == ends
    (tokens,) = tokenizer.tokenize(["a </s> <s> a"])
    assert len(tokens)
    assert not set(tokens.tolist()) & set(ends)
    assert tokenizer.tokenize_with_offsets(["a" + internal_name(ends[1])])[0].ids[-1] == ends[1]
    assert tokenizer.holds_internal_name("a" + internal_name(ends[1]))
    assert not tokenizer.holds_internal_name(f"a{OPENING}")


@pytest.mark.parametrize(
    ("specials", "names", "ends"),
    [
        (("<s>", "</s>", "<e>"), {"bos_token": "<s>", "eos_token": "<e>"}, (256, 258)),
        (("<|begin_of_text|>", "<|end_of_text|>"), {}, (256, 257)),
        (("<b>", "<e>"), {"bos_token": "<b>", "eos_token": "<e>"}, (256, 257)),
        (("<|endoftext|>",), {"eos_token": "<|endoftext|>"}, (256, 256)),
    ],
)
def test_the_ends_are_those_that_the_tokenizer_s_config_names(
    specials: tuple[str, ...], names: dict[str, str], ends: tuple[int, int]
) -> None:
    tokenizer = Tokenizer(content(*specials), "t.json", 300, TokenizerConfig("c.json", names))
    assert (tokenizer.begin_id, tokenizer.end_id) == ends


@pytest.mark.parametrize(
    ("pieces", "specials", "names", "ends"),
    [
        (("<s>", "</s>"), (), {}, (256, 257)),
        (("<s>", "</s>"), ("<|begin_of_text|>", "<|end_of_text|>"), {}, (258, 259)),
        (("<s>",), ("<|endoftext|>",), {"eos_token": "<|endoftext|>"}, (257, 257)),
        ((), ("<s>", "<e>"), {"eos_token": "<e>"}, (256, 257)),
    ],
)
def test_an_added_token_comes_before_a_piece_of_text_with_the_name_of_an_end(
    pieces: tuple[str, ...], specials: tuple[str, ...], names: dict[str, str], ends: tuple[int, int]
) -> None:
    created = json.loads(content())
    created["model"]["vocab"] |= {piece: 256 + number for number, piece in enumerate(pieces)}
    with_specials = tokenizers.Tokenizer.from_str(json.dumps(created))
    with_specials.add_special_tokens(list(specials))
    tokenizer = Tokenizer(with_specials.to_str().encode(), "t.json", 300, TokenizerConfig("c.json", names))
    assert (tokenizer.begin_id, tokenizer.end_id) == ends


def test_a_config_of_another_tokenizer_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"^c\.json: eos_token is '<e>', which t\.json does not have: put the files of one tokenizer there$"
    ):
        Tokenizer(content("<s>", "</s>"), "t.json", 300, TokenizerConfig("c.json", {"eos_token": "<e>"}))


@pytest.mark.parametrize(
    ("created", "vocab_size", "error"),
    [
        (content("<s>", "</s>"), 257, r"t\.json: has 258 pieces, but model\.vocabSize is 257: set model\.vocabSize to 258 or more"),
        (
            content("<s>"),
            1000,
            r"t\.json: has no piece </s>, and no tokenizer_config\.json beside it names an eos_token: put the tokenizer's",
        ),
        (b"{}", 1000, r"t\.json: not a tokenizer\.json"),
        (b"\xff", 1000, r"t\.json: not a tokenizer\.json"),
    ],
)
def test_a_tokenizer_that_does_not_fit_is_refused(created: bytes, vocab_size: int, error: str) -> None:
    with pytest.raises(DataError, match=error):
        Tokenizer(created, "t.json", vocab_size)


def test_it_is_loaded_from_a_file_and_known_by_its_hash(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content("<s>", "</s>"))
    one = Tokenizer.load(str(tmp_path / "tokenizer.json"), 258)
    other = Tokenizer(content("<s>", "</s>", "<pad>"), "t.json", 259)
    assert len(one.sha256) == 64
    assert one.sha256 != other.sha256
    with pytest.raises(FileMissingError, match="no such file"):
        Tokenizer.load(str(tmp_path / "none.json"), 258)


def test_documents_join_into_one_array() -> None:
    joined = InMemoryDocuments.from_tokens(Tokenizer(content("<s>", "</s>"), "t.json", 258).encode(["ab", "", "cde"]))
    assert len(joined) == 3
    assert joined.offsets.tolist() == [0, 4, 6, 11]
    assert joined.tokens.dtype == np.int32


def test_a_pointer_of_git_lfs_in_place_of_the_file_is_named() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
    with pytest.raises(
        DataCorruptError, match=r"^gs://b/tokenizer\.json: not a tokenizer\.json: it is a pointer of Git LFS.*: run `git lfs pull`"
    ):
        Tokenizer(pointer, "gs://b/tokenizer.json", 512)


def test_what_is_no_tokenizer_is_told_in_the_librarys_words() -> None:
    with pytest.raises(DataCorruptError, match=r"^gs://b/tokenizer\.json: not a tokenizer\.json: "):
        Tokenizer(b"{}", "gs://b/tokenizer.json", 512)
