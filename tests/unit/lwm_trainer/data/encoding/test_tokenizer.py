"""The tokenizer: its own begin and end, untrusted text, and errors that name the cure."""

from pathlib import Path

import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from lwm_trainer.data.documents.in_memory import InMemoryDocuments
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataError
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


@pytest.mark.parametrize(
    ("created", "vocab_size", "error"),
    [
        (content("<s>", "</s>"), 257, r"t\.json: has 258 pieces, but model\.vocabSize is 257: set model\.vocabSize to 258 or more"),
        (content("<s>"), 1000, r"t\.json: has no piece </s>: add it as a special token"),
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
