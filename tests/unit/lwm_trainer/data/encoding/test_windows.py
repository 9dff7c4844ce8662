"""Long texts get the ids of the whole text from windows of it, whatever the tokenizer, and the tokenizer never sees the whole."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, trainers

from lwm_trainer.data.encoding import tokenizer, windows
from lwm_trainer.data.encoding.windows import Tokens, group_by_size, tokenize_in_windows
from support.byte_tokenizer import byte_tokenizer

WORDS = "the river ran slowly past the old stone mill, while birds sang. Über 1234567 große Bäume 🙂 don't\n\n  of  \t 你好世界".split(" ")

UNKNOWN = "<unk>"


def texts() -> list[str]:
    draw = random.Random(7)
    prose = " ".join(draw.choices(WORDS, k=800))
    return [prose, prose.replace(" ", ""), "a" * 3000, " " * 2000, "\n".join(draw.choices(WORDS, k=500)), "0123456789" * 300, "é🙂" * 700]


def trained(kind: str) -> tokenizers.Tokenizer:
    corpus = [" ".join(random.Random(1).choices(WORDS, k=3000))]
    trainer: trainers.Trainer = trainers.BpeTrainer(vocab_size=400, show_progress=False, special_tokens=[UNKNOWN])
    made = tokenizers.Tokenizer(models.BPE(unk_token=UNKNOWN))
    if kind == "byte level":
        made = tokenizers.Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=500, show_progress=False, initial_alphabet=alphabet)
    elif kind == "byte level with prefix space":
        made = tokenizers.Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(vocab_size=500, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    elif kind == "like Llama 2":  # nothing splits the text before its merges
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    elif kind == "metaspace unigram":
        made = tokenizers.Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=200, show_progress=False, special_tokens=[UNKNOWN], unk_token=UNKNOWN)
    elif kind == "word pieces":
        made = tokenizers.Tokenizer(models.WordPiece(unk_token=UNKNOWN))
        made.normalizer = normalizers.BertNormalizer()
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=300, show_progress=False, special_tokens=[UNKNOWN])
    made.train_from_iterator(corpus, trainer)
    return made


@pytest.mark.parametrize("kind", ["byte level", "byte level with prefix space", "like Llama 2", "metaspace unigram", "word pieces"])
@pytest.mark.parametrize("size", [256, 512])
def test_ids_and_offsets_are_those_of_the_whole_text(kind: str, size: int) -> None:
    made = trained(kind)

    def tokenize(parts: Sequence[str]) -> list[Tokens]:
        encodings = made.encode_batch(list(parts), add_special_tokens=False)
        return [Tokens(np.array(each.ids, np.int32), np.array(each.offsets, np.int64).reshape(-1, 2)) for each in encodings]

    for text in texts():
        (whole,) = tokenize([text])
        tokens = tokenize_in_windows(text, tokenize, size, size // 2)
        assert tokens.ids.tolist() == whole.ids.tolist(), text[:40]
        if len(whole.ids) > 1:
            assert tokens.offsets[1:].tolist() == whole.offsets[1:].tolist()


def test_the_tokenizer_is_never_given_more_than_a_few_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_WINDOWS_AT_ONCE", 4)
    byte, given = byte_tokenizer(), []

    def tokenize(parts: Sequence[str]) -> list[Tokens]:
        given.append(sum(map(len, parts)))
        return byte.tokenize_with_offsets(parts)

    text = " ".join(random.Random(3).choices(WORDS, k=5000))
    assert tokenize_in_windows(text, tokenize, 512, 64).ids.tolist() == byte.tokenize_with_offsets([text])[0].ids.tolist()
    assert max(given) <= 4 * 512 < len(text) / 10


def test_windows_that_agree_nowhere_become_one() -> None:
    calls: list[str] = []

    def by_threes(parts: Sequence[str]) -> list[Tokens]:
        """Tokens that depend on how far the text's beginning is: no window agrees with another."""
        calls.extend(parts)
        begins = [np.arange(0, len(part), 3) for part in parts]
        offsets = [np.column_stack([each, np.minimum(each + 3, len(part))]) for each, part in zip(begins, parts, strict=True)]
        return [Tokens(np.full(len(each), 7, np.int32), each) for each in offsets]

    text = "x" * 1000
    assert np.array_equal(tokenize_in_windows(text, by_threes, 256, 128).offsets, by_threes([text])[0].offsets)
    assert text in calls


def test_long_texts_of_a_tokenizer_are_cut_and_short_ones_are_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    byte = byte_tokenizer()
    parts = ["short", "x y " * 1500, "", "yz " * 10000, "end"]
    whole = [ids.tolist() for ids in byte.tokenize(parts)]
    for module in (tokenizer, windows):
        monkeypatch.setattr(module, "LONG_TEXT", 8000)
    assert [ids.tolist() for ids in byte.tokenize(parts)] == whole
    assert [list(map(len, group)) for group in group_by_size(parts, 8000)] == [[5, 6000, 0], [30000], [3]]
