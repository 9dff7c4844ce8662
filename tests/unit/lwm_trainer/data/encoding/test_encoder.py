"""Records to examples: which tokens, which of them count, and what is said of a record that makes none."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer as Made
from tokenizers import models

from lwm_trainer.config import Dataset
from lwm_trainer.data.encoding.encoder import encoder
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataError
from lwm_trainer.data.records.record import BadRecordError, Record
from support.byte_tokenizer import byte_tokenizer, read


def dataset(**changes: Any) -> Dataset:
    return Dataset.model_validate({"name": "a", "uri": "/data", **changes})


def encode(record: Mapping[str, Any], number: int = 1, seed: int = 0, file: str = "a.jsonl", **changes: Any) -> Example | BadRecordError:
    """The record's example in the first epoch, or why it makes none."""
    (result,) = encoder(dataset(**changes), byte_tokenizer(), None, seed)([Record(f"/data/{file}", number, number, record, file=file)])
    return result[0] if isinstance(result, list) else result


@pytest.mark.parametrize(
    ("fields", "example"),
    [
        ("text", "«s»HI«/S»"),
        ("[text],answer", "«s»hiYO«/S»"),
        ("[text+answer],answer", "«s»hi yoYO«/S»"),
        ("text+answer", "«s»HI YO«/S»"),
        ("text,<|eos|>,[<|bos|>],[answer],[<|eos|>],text,<|bos|>", "«s»HI«/S»«s»yo«/s»HI«S»«/S»"),
        ("none,text", "«s»HI«/S»"),
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
    results = [encoder(dataset(fields=line), pair, None, 0)([record])[0] for line in ("x,y", "z")]
    assert [result[0].tokens.tolist() for result in results if isinstance(result, list)] == [[3, 0, 1, 4], [3, 2, 4]]


def test_masks_are_left_out_where_nothing_is_masked() -> None:
    plain, masked = encode({"text": "hi"}), encode({"text": "hi"}, fields="[text]")
    assert isinstance(plain, Example)
    assert isinstance(masked, Example)
    assert (plain.tokens.dtype, plain.loss_mask, plain.vision_mask) == (np.dtype(np.int32), None, None)
    assert masked.loss_mask is not None
    assert (masked.loss_mask.dtype, masked.loss_mask.tolist()) == (np.dtype(np.bool_), [False, False, False, True])


def test_special_tokens_typed_in_a_text_stay_text() -> None:
    example = encode({"text": "a</s><s>b"})
    assert isinstance(example, Example)
    assert byte_tokenizer().decode(example.tokens.tolist()) == "a</s><s>b"
    assert np.flatnonzero(example.tokens >= 256).tolist() == [0, 10]


@pytest.mark.parametrize("per_file", [1, 20, 400])
def test_a_record_s_own_line_is_drawn_by_its_place_in_the_data_set(per_file: int) -> None:
    lines = ["[text],answer", "answer,[text]"]
    places = [(f"{number // per_file}.jsonl", number % per_file + 1) for number in range(400)]
    record = {"text": "hi", "answer": "yo", "lines": lines}
    drawn = [read(encode(record, number, file=file, fields_from_example="lines")) for file, number in places]
    first = drawn.count("«s»hiYO«/S»")
    assert first + drawn.count("«s»YOhi«/S»") == 400
    assert 160 < first < 240  # 4 standard deviations
    again = [Record(f"/mounted/{file}", 1, number, record, file=file) for file, number in places]
    for seed, same in ((0, True), (1, False)):
        results = encoder(dataset(fields_from_example="lines"), byte_tokenizer(), None, seed)(again)
        assert ([read(result[0]) for result in results if isinstance(result, list)] == drawn) == same
    assert read(encode({"text": "hi", "answer": "yo", "lines": lines[0]}, fields_from_example="lines")) == "«s»hiYO«/S»"


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
        ({"text": "a\ud83d"}, {}, "a text holds U+D83D, half of a surrogate pair: write the whole character"),
        (
            {"messages": [{"role": "user", "content": "\udc00"}, {"role": "assistant", "content": "a"}]},
            {"kind": "chat"},
            "a text holds U+DC00, half of a surrogate pair: write the whole character",
        ),
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
            {"text": "x", "lines": ["text"] * 5},
            {"fields_from_example": "lines"},
            "field 'lines' holds 5 field lines, of which no epoch would use some: write 4 or less",
        ),
        (
            {"text": "x", "lines": "text,"},
            {"fields_from_example": "lines"},
            "field 'lines': field line 'text,', column 6: a name is missing: write one or leave the separator out",
        ),
        (
            {"text": "x", "lines": ["text"] * 50 + ["text,"]},
            {"fields_from_example": "lines"},
            "field 'lines': field line 'text,', column 6: a name is missing: write one or leave the separator out",
        ),
    ],
)
def test_a_record_that_makes_no_example_is_told_why(fields: dict[str, Any], changes: dict[str, Any], error: str) -> None:
    result = encode(fields, **changes)
    assert isinstance(result, BadRecordError)
    assert str(result) == error


def test_a_bad_record_leaves_the_others_as_they_are() -> None:
    records = [Record("/data/a.jsonl", number, number, {"text": text}) for number, text in enumerate(["hi", 3, "", "yo"])]
    result = encoder(dataset(), byte_tokenizer(), None, 0)(records)
    assert [isinstance(answer, BadRecordError) for answer in result] == [False, True, True, False]
    assert [read(answer[0]) for answer in result if isinstance(answer, list)] == ["«s»HI«/S»", "«s»YO«/S»"]


def test_a_field_line_that_means_nothing_is_the_data_set_s_fault() -> None:
    with pytest.raises(DataError, match=r"^datasets\[a\]\.fields: field line 'a,', column 3: a name is missing"):
        encoder(dataset(fields="a,"), byte_tokenizer(), None, 0)


PICTURE = {"caption": "hi", "vision": [1, 2, 3, 4], "own": ["caption,vision", "[vision],caption"]}
TINY = {"kind": "vision", "frames": {"tokens_per_frame": 2, "codebook_size": 7}}


def see(record: Mapping[str, Any], number: int = 1, made: Tokenizer | None = None, **changes: Any) -> Example | BadRecordError:
    """As `encode`, for a data set of vision."""
    (result,) = encoder(dataset(**TINY | changes), made or byte_tokenizer(), 9, 0)([Record("/data/a.jsonl", number, number, record)])
    return result[0] if isinstance(result, list) else result


def test_codes_stand_between_tags_and_are_known_as_vision() -> None:
    result = see(PICTURE, fields="[caption],vision")
    assert isinstance(result, Example)
    assert result.vision_mask is not None
    assert result.loss_mask is not None
    seen = result.tokens[result.vision_mask].tolist()
    assert seen == [1, 2, 7, 3, 4, 8]
    assert np.flatnonzero(result.vision_mask).tolist() == list(range(11, 17))
    assert byte_tokenizer().decode(result.tokens[~result.vision_mask].tolist()) == "hi<vision></vision>"
    assert np.flatnonzero(~result.loss_mask).tolist() == [0, 1, 2]


def test_brackets_mask_the_tags_too() -> None:
    result = see(PICTURE, fields="[vision],caption")
    assert isinstance(result, Example)
    assert result.loss_mask is not None
    assert byte_tokenizer().decode(result.tokens[result.loss_mask].tolist()) == "hi"
    assert result.loss_mask.sum() == 3


def test_tags_are_the_tokenizer_s_own_tokens_where_it_has_them() -> None:
    result = see(PICTURE, fields="vision", made=byte_tokenizer("<vision>", "</vision>"))
    assert isinstance(result, Example)
    assert result.tokens.tolist() == [256, 258, 1, 2, 7, 3, 4, 8, 259, 257]
    typed = see({"caption": "<vision>", "vision": [1, 2]}, fields="caption,vision", made=byte_tokenizer("<vision>", "</vision>"))
    assert isinstance(typed, Example)
    assert np.flatnonzero(typed.tokens == 258).tolist() == [9]


def test_a_share_of_the_examples_loses_all_but_its_vision() -> None:
    frames = {"tokens_per_frame": 2, "codebook_size": 7, "unconditional": 0.25}
    alone = see(PICTURE, fields="vision")
    assert isinstance(alone, Example)
    for line, share in (("[caption],<|eos|>,vision", 0.25), ("caption,[vision]", 0.0)):
        result = [see(PICTURE, number, fields=line, frames=frames) for number in range(400)]
        bare = [isinstance(example, Example) and example.tokens.tolist() == alone.tokens.tolist() for example in result]
        assert abs(sum(bare) - 400 * share) <= 400 * share * 0.35  # 4 standard deviations
        for example in (example for example, without in zip(result, bare, strict=True) if without):
            assert isinstance(example, Example)
            assert example.loss_mask is None


def test_both_orders_are_drawn_beside_the_unconditional_ones() -> None:
    frames = {"tokens_per_frame": 2, "codebook_size": 7, "unconditional": 0.5}
    result = [see(PICTURE, number, fields_from_example="own", frames=frames) for number in range(400)]
    lengths = [len(example.tokens) for example in result if isinstance(example, Example)]
    first = [example.tokens[1] for example in result if isinstance(example, Example) and len(example.tokens) == max(lengths)]
    assert 60 < lengths.count(min(lengths)) < 140  # half of the half that begins with its caption
    assert 60 < sum(token == byte_tokenizer().tokenize(["h"])[0][0] for token in first) < 140


@pytest.mark.parametrize(
    ("record", "line", "error"),
    [
        (
            {"caption": "hi"},
            "caption,vision",
            "field 'vision' is missing (the record has 'caption'): add it or correct the fields of the data set",
        ),
        (
            PICTURE | {"vision": [1]},
            "vision",
            "field 'vision' holds 1 codes, 0 frames of 2 and 1 more: write whole frames or correct frames.tokensPerFrame",
        ),
        (
            PICTURE | {"vision": [1, 7]},
            "vision",
            "field 'vision' holds 7 at place 2, but codes are 0 to 6: correct it or set frames.codebookSize",
        ),
        (
            {"supervision": "hi"},
            "supervision",
            "field 'supervision' is not a flat list of integers: write the codes of all frames as one list",
        ),
        (PICTURE | {"caption": [1]}, "caption,vision", "field 'caption' holds a list, not text: write a string"),
    ],
)
def test_a_vision_record_that_makes_no_example_is_told_why(record: dict[str, Any], line: str, error: str) -> None:
    result = see(record, fields=line)
    assert isinstance(result, BadRecordError)
    assert str(result) == error


@pytest.mark.parametrize(
    ("changes", "size", "error"),
    [
        (
            {"kind": "vision", "fields": "vision"},
            None,
            r"^datasets\[a\]\.kind: the model has no vision vocabulary: set model\.vision$",
        ),
        (
            {"kind": "vision", "fields": "vision"},
            512,
            r"^datasets\[a\]\.frames\.codebookSize: 8192 codes, end of frame and end of vision are 8194 tokens, but"
            r" model\.vision\.vocabSize is 512: set frames\.codebookSize to 510 or less, or raise it$",
        ),
        (TINY, 9, r"^datasets\[a\]\.fields: no name in 'text' contains 'vision': add it, or set kind: text$"),
        (TINY | {"fields": "text+vision"}, 9, r"^datasets\[a\]\.fields: field line 'text\+vision', column 1: 'text\+vision' joins"),
    ],
)
def test_a_vision_data_set_that_can_make_no_example_is_refused(changes: dict[str, Any], size: int | None, error: str) -> None:
    with pytest.raises(DataError, match=error):
        encoder(dataset(**changes), byte_tokenizer(), size, 0)


def test_every_epoch_of_a_cycle_draws_anew_and_equal_draws_are_one_example() -> None:
    changes = TINY | {"fields_from_example": "own", "frames": {"tokens_per_frame": 2, "codebook_size": 7, "unconditional": 0.25}}
    records = [Record("/data/a.jsonl", number, number, PICTURE) for number in range(1, 401)]
    answers = encoder(dataset(**changes), byte_tokenizer(), 9, 0)(records)
    results = [answer for answer in answers if isinstance(answer, list)]
    assert len(results) == 400
    drawn = [{epoch: read(each) for each in result for epoch in range(4) if each.epochs >> epoch & 1} for result in results]
    lines = sorted({text for by_epoch in drawn for text in by_epoch.values()}, key=len)
    assert len(lines) == 3
    for epoch in range(4):
        column = [by_epoch[epoch] for by_epoch in drawn]
        # A half begins with the caption, a quarter of that loses it: 50, 150 and 200 expected, 4 standard deviations.
        assert 24 < column.count(lines[0]) < 76
        assert all(110 < column.count(line) < 250 for line in lines[1:])
        changed = sum(by_epoch[epoch] != by_epoch[0] for by_epoch in drawn)
        # Two lines take turns; in the epochs between only what is unconditional is drawn anew.
        assert changed == 400 if epoch % 2 else changed >= 40 * min(epoch, 1)
    for result, by_epoch in zip(results, drawn, strict=True):
        assert sum(each.epochs for each in result) == 15
        assert [read(each) for each in result] == list(dict.fromkeys(by_epoch.values()))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_record_s_lines_take_turns_and_none_is_left_out(count: int) -> None:
    lines = ["a,b", "b,a", "a,a", "b,b"][:count]
    records = [Record("/data/a.jsonl", number, number, {"a": "x", "b": "y", "own": lines}) for number in range(1, 201)]
    results = encoder(dataset(fields_from_example="own"), byte_tokenizer(), None, 0)(records)
    firsts = []
    for result in results:
        assert isinstance(result, list)
        uses = {read(each): each.epochs.bit_count() for each in result}
        assert len(uses) == count
        assert sum(uses.values()) == 4
        assert max(uses.values()) - min(uses.values()) <= 1
        firsts.append(next(read(each) for each in result if each.epochs & 1))
    assert all(200 / count * 0.6 < firsts.count(text) <= 200 for text in set(firsts)), "each epoch has as many of each line"
    assert len(set(firsts)) == count


def test_an_example_without_draws_is_that_of_every_epoch() -> None:
    (result,) = encoder(dataset(), byte_tokenizer(), None, 0)([Record("/data/a.jsonl", 1, 1, {"text": "hi"})])
    assert isinstance(result, list)
    assert [example.epochs for example in result] == [15]
