"""Records to examples: which tokens, which of them count, and what is said of a record that makes none."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer as Made
from tokenizers import decoders, models, pre_tokenizers

from lwm_trainer.config import Dataset
from lwm_trainer.data import DataError, Tokenizer
from lwm_trainer.data.encode import encoder
from lwm_trainer.data.example import BadRecordError, Example, Record


def tokenizer(*specials: str) -> Tokenizer:
    """Of single bytes, so that tokens can be read; `<s>` is 256, `</s>` 257."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Made(models.BPE(vocab={piece: number for number, piece in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<s>", "</s>", *specials])
    return Tokenizer(made.to_str().encode(), "t.json", 256 + 2 + len(specials))


def dataset(**changes: Any) -> Dataset:
    return Dataset.model_validate({"name": "a", "uri": "/data", **changes})


def encode(record: Mapping[str, Any], number: int = 1, seed: int = 0, **changes: Any) -> Example | BadRecordError:
    (found,) = encoder(dataset(**changes), tokenizer(), None, seed)([Record("/data/a.jsonl", number, number, record)])
    return found


def read(example: Example | BadRecordError) -> str:
    """The example as people read it: `<s>`, `</s>`, and what does not count in lower case, the rest in upper case."""
    assert isinstance(example, Example), example
    loss = example.loss if example.loss is not None else np.arange(len(example.tokens)) > 0
    words = []
    for number, counts in zip(example.tokens.tolist(), loss.tolist(), strict=True):
        word = {256: "<s>", 257: "</s>"}.get(number) or tokenizer().decode([number])
        words.append(word.upper() if counts else word.lower())
    return "".join(words)


@pytest.mark.parametrize(
    ("fields", "example"),
    [
        ("text", "<s>HI</S>"),
        ("[text],answer", "<s>hiYO</S>"),
        ("[text+answer],answer", "<s>hi yoYO</S>"),
        ("text+answer", "<s>HI YO</S>"),
        ("text,<|eos|>,[<|bos|>],[answer],[<|eos|>],text,<|bos|>", "<s>HI</S><s>yo</s>HI<S></S>"),
        ("none,text", "<s>HI</S>"),
    ],
)
def test_a_field_line_makes_tokens_and_says_which_count(fields: str, example: str) -> None:
    assert read(encode({"text": "hi", "answer": "yo", "none": ""}, fields=fields)) == example


def test_fields_are_tokenised_each_by_itself() -> None:
    alphabet = {"a": 0, "b": 1, "ab": 2}
    made = Made(models.BPE(vocab=alphabet, merges=[("a", "b")]))
    made.add_special_tokens(["<s>", "</s>"])
    pair = Tokenizer(made.to_str().encode(), "t.json", 5)
    record = Record("/data/a.jsonl", 1, 1, {"x": "a", "y": "b", "z": "ab"})
    assert [encoder(dataset(fields=line), pair, None, 0)([record])[0].tokens.tolist() for line in ("x,y", "z")] == [[3, 0, 1, 4], [3, 2, 4]]  # type: ignore[union-attr]


def test_masks_are_left_out_where_nothing_is_masked() -> None:
    plain, masked = encode({"text": "hi"}), encode({"text": "hi"}, fields="[text]")
    assert isinstance(plain, Example)
    assert isinstance(masked, Example)
    assert (plain.tokens.dtype, plain.loss, plain.vision) == (np.dtype(np.int32), None, None)
    assert masked.loss is not None
    assert (masked.loss.dtype, masked.loss.tolist()) == (np.dtype(np.bool_), [False, False, False, True])


def test_special_tokens_typed_in_a_text_stay_text() -> None:
    example = encode({"text": "a</s><s>b"})
    assert isinstance(example, Example)
    assert tokenizer().decode(example.tokens.tolist()) == "a</s><s>b"
    assert np.flatnonzero(example.tokens >= 256).tolist() == [0, 10]


def test_a_record_s_own_line_is_drawn_by_its_number_alone() -> None:
    lines = ["[text],answer", "answer,[text]"]
    drawn = [read(encode({"text": "hi", "answer": "yo", "lines": lines}, number, fields_from_example="lines")) for number in range(400)]
    first = drawn.count("<s>hiYO</S>")
    assert first + drawn.count("<s>YOhi</S>") == 400
    assert 160 < first < 240  # 4 standard deviations
    again = [Record("/data/b.jsonl", 1, number, {"text": "hi", "answer": "yo", "lines": lines}) for number in range(400)]
    assert [read(found) for found in encoder(dataset(fields_from_example="lines"), tokenizer(), None, 0)(again)] == drawn
    assert [read(found) for found in encoder(dataset(fields_from_example="lines"), tokenizer(), None, 1)(again)] != drawn
    assert read(encode({"text": "hi", "answer": "yo", "lines": lines[0]}, fields_from_example="lines")) == "<s>hiYO</S>"


@pytest.mark.parametrize(
    ("fields", "changes", "error"),
    [
        ({"text": ""}, {}, "the document is empty: leave its record out"),
        ({"text": " \n\t"}, {}, "the document is empty: leave its record out"),
        ({"a": "", "b": ""}, {"fields": "[a+b],<|eos|>"}, "the document is empty: leave its record out"),
        (
            {"body": "x", "title": "y"},
            {},
            "field 'text' is missing (the record has 'body', 'title'): add it or correct the fields of the data set",
        ),
        ({}, {}, "field 'text' is missing (the record has nothing): add it or correct the fields of the data set"),
        ({"text": None}, {}, "field 'text' holds null, not text: write a string"),
        ({"text": 3}, {}, "field 'text' holds a number, not text: write a string"),
        ({"text": ["a"]}, {}, "field 'text' holds a list, not text: write a string"),
        ({"text": {}}, {}, "field 'text' holds an object, not text: write a string"),
        ({"text": True}, {}, "field 'text' holds a boolean, not text: write a string"),
        ({"text": "x", "b": 1}, {"fields": "text+b"}, "field 'b' holds a number, not text: write a string"),
        (
            {"text": "x"},
            {"fields_from_example": "lines"},
            "field 'lines' is missing (the record has 'text'): add it or correct the fields of the data set",
        ),
        (
            {"text": "x", "lines": 3},
            {"fields_from_example": "lines"},
            "field 'lines' holds a number, not a field line or a list of them: write such as 'text'",
        ),
        (
            {"text": "x", "lines": []},
            {"fields_from_example": "lines"},
            "field 'lines' holds an empty list, not a field line or a list of them: write such as 'text'",
        ),
        (
            {"text": "x", "lines": "text,"},
            {"fields_from_example": "lines"},
            "field 'lines': field line 'text,', column 6: a name is missing: write one or leave the separator out",
        ),
    ],
)
def test_a_record_that_makes_no_example_is_told_why(fields: dict[str, Any], changes: dict[str, Any], error: str) -> None:
    found = encode(fields, **changes)
    assert isinstance(found, BadRecordError)
    assert str(found) == error


def test_a_bad_record_leaves_the_others_as_they_are() -> None:
    records = [Record("/data/a.jsonl", number, number, {"text": text}) for number, text in enumerate(["hi", 3, "", "yo"])]
    found = encoder(dataset(), tokenizer(), None, 0)(records)
    assert [isinstance(answer, BadRecordError) for answer in found] == [False, True, True, False]
    assert (read(found[0]), read(found[3])) == ("<s>HI</S>", "<s>YO</S>")


def test_a_field_line_that_means_nothing_is_the_data_set_s_fault() -> None:
    with pytest.raises(DataError, match=r"^datasets\[a\]\.fields: field line 'a,', column 3: a name is missing"):
        encoder(dataset(fields="a,"), tokenizer(), None, 0)
