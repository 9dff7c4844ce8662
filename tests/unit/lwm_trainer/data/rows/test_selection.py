"""Which documents rows are made of: the options of a data set's `documents`, and what is said of those left out."""

from typing import Any

import numpy as np
import pytest

from lwm_trainer.config import Dataset, RunConfig
from lwm_trainer.data.documents.in_memory import InMemoryDocuments
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.errors import DataCorruptError, DataError
from lwm_trainer.data.rows.loader import Batches
from lwm_trainer.data.rows.selection import select_segments
from support.builders import ALONE, a_run

SIZES = (3, 40, 16, 17, 5, 0, 100)
LENGTH = 16
EMPTY = "1 left out, shorter than minTokens 1"


def documents() -> InMemoryDocuments:
    return InMemoryDocuments.from_tokens(
        [np.arange(100 * number, 100 * number + size, dtype=np.int32) for number, size in enumerate(SIZES)]
    )


FIRST = documents().name(1)
"""The first that is longer than a row."""


def selected(**wanted: Any) -> tuple[list[tuple[int, int]], tuple[str, ...]]:
    """(document, tokens) of each piece, and what is said of those that are not there whole."""
    source = documents()
    pieces, kept, remarks = select_segments(source, LENGTH, Dataset(name="d", uri="/d", documents=wanted))
    assert kept + sum(int(remark.split()[0]) for remark in remarks if "left out" in remark) == len(SIZES)
    number = np.searchsorted(source.offsets, pieces.begins, side="right") - 1
    return list(zip(number.tolist(), pieces.lengths.tolist(), strict=True)), remarks


def test_a_longer_document_is_cut_into_rows_and_a_rest() -> None:
    result, remarks = selected()
    assert result == [(0, 3), (1, 16), (1, 16), (1, 8), (2, 16), (3, 16), (4, 5), *[(6, 16)] * 6, (6, 4)]
    assert remarks == (EMPTY, f"3 split, longer than a row, the first {FIRST}", "1 examples dropped, no token of them counts in the loss")


def test_a_longer_document_is_truncated_and_its_row_still_predicts_the_next_token() -> None:
    result, remarks = selected(overlong="truncate")
    assert result == [(0, 3), (1, 16), (2, 16), (3, 16), (4, 5), (6, 16)]
    assert remarks == (EMPTY, f"3 truncated, longer than a row, the first {FIRST}")
    source = documents()
    pieces, _, _ = select_segments(source, LENGTH, Dataset(name="d", uri="/d", documents={"overlong": "truncate"}))
    assert pieces.last.tolist() == [True, False, True, False, True, False]


def test_a_longer_document_is_skipped_and_counted() -> None:
    assert selected(overlong="skip") == ([(0, 3), (2, 16), (4, 5)], (EMPTY, f"3 left out, longer than a row, the first {FIRST}"))


def test_a_longer_document_ends_the_stage_with_its_name() -> None:
    with pytest.raises(DataCorruptError) as raised:
        selected(overlong="fail", max_tokens=50)
    assert str(raised.value) == (
        f"{FIRST}: datasets[d]: a document of 40 tokens is longer than the row's 16: "
        "shorten it, or set documents.overlong to split, truncate or skip"
    )


def test_one_that_is_left_out_for_its_length_is_not_too_long_for_a_row() -> None:
    assert selected(overlong="fail", max_tokens=16)[0] == [(0, 3), (2, 16), (4, 5)]


def test_lengths_outside_the_limits_are_left_out_and_counted() -> None:
    result, remarks = selected(min_tokens=5, max_tokens=40, overlong="truncate")
    assert {number for number, _ in result} == {1, 2, 3, 4}
    assert remarks[:2] == ("2 left out, shorter than minTokens 5", "1 left out, longer than maxTokens 40")


def run(**wanted: Any) -> RunConfig:
    datasets = [{"name": "d", "uri": "/d", "documents": wanted}]
    return a_run(**(ALONE | {"context_length": LENGTH, "batch_tokens": 2 * LENGTH, "datasets": datasets}))


def test_a_line_says_what_rows_are_made_of_and_what_is_left_out() -> None:
    assert Batches(run(min_tokens=5, overlong="skip"), {"d": documents()}).summaries == [
        "datasets[d]: 2 documents in 2 rows an epoch, 65.6% full; 2 left out, shorter than minTokens 5; "
        f"3 left out, longer than a row, the first {FIRST}"
    ]
    whole = InMemoryDocuments.from_tokens([np.ones(16, np.int32)])
    assert Batches(run(), {"d": whole}).summaries == ["datasets[d]: 1 documents in 1 rows an epoch, 100.0% full"]


def test_limits_that_leave_nothing_are_refused() -> None:
    with pytest.raises(DataError, match=r"datasets\[d\]: no document is left \(7 left out, shorter than minTokens 500\): widen documents"):
        Batches(run(min_tokens=500), {"d": documents()})


@pytest.mark.parametrize(
    ("settings", "default"),
    [
        ({}, "split"),
        ({"fields": "title,text"}, "split"),
        ({"fields": "[question],answer"}, "skip"),
        ({"fields_from_example": "fields"}, "skip"),
        ({"kind": "chat"}, "skip"),
        ({"kind": "vision", "fields": "vision"}, "skip"),
        ({"kind": "chat", "documents": {"overlong": "truncate"}}, "truncate"),
    ],
)
def test_only_text_that_counts_as_a_whole_is_split_by_default(settings: dict[str, Any], default: str) -> None:
    assert Dataset.model_validate({"name": "d", "uri": "/d"} | settings).overlong == default


def masked(*documents: str) -> InMemoryDocuments:
    """A document of one token for each letter; upper case counts in the loss."""
    return InMemoryDocuments.from_examples(
        (f"/d/{number}", Example(np.zeros(len(text), np.int32), np.array([letter.isupper() for letter in text]), None))
        for number, text in enumerate(documents)
    )


@pytest.mark.parametrize(
    ("overlong", "left", "remarks"),
    [
        ("skip", ["aaaB"], ("1 left out, longer than a row, the first /d/1", "2 examples dropped, no token of them counts in the loss")),
        (
            "truncate",
            ["aaaB"],
            ("1 truncated, longer than a row, the first /d/1", "3 examples dropped, no token of them counts in the loss"),
        ),
        (
            "split",
            ["aaaB", "aaaa", "aB"],  # the second part predicts the B after it
            ("1 split, longer than a row, the first /d/1", "4 examples dropped, no token of them counts in the loss"),
        ),
    ],
)
def test_examples_without_a_target_are_dropped_and_counted(overlong: str, left: list[str], remarks: tuple[str, ...]) -> None:
    texts = ("aaaB", "aaaa" + "aaaa" + "Baaa" + "aB", "Aaaa", "a")
    dataset = Dataset(name="d", uri="/d", documents={"overlong": overlong})
    segments, documents, remarked = select_segments(masked(*texts), 4, dataset)
    joined = "".join(texts)
    assert [joined[begin:end] for begin, end in zip(segments.begins, segments.ends, strict=True)] == left
    assert (documents, remarked) == (2 if overlong == "split" else 1, remarks)


def test_a_stage_without_a_target_is_refused_with_the_numbers() -> None:
    with pytest.raises(DataError) as raised:
        Batches(run(overlong="truncate"), {"d": masked("a" * 20 + "B", "a" * 30 + "B")})
    assert str(raised.value) == (
        "datasets[d]: no document is left (2 truncated, longer than a row, the first /d/0, 2 examples dropped, no token of them counts in"
        " the loss): widen documents or the row"
    )
