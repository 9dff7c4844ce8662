"""Which documents rows are made of: the options of a data set's `documents`, and what is said of those left out."""

from typing import Any

import numpy as np
import pytest

from lwm_trainer.config import Dataset, RunConfig
from lwm_trainer.data import Batches, DataError, Documents
from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.selection import select
from unit.builders import ALONE, a_run

SIZES = (3, 40, 16, 17, 5, 0, 100)
LENGTH = 16


def documents() -> Documents:
    return Documents.join([np.arange(100 * number, 100 * number + size, dtype=np.int32) for number, size in enumerate(SIZES)])


def selected(**wanted: Any) -> tuple[list[tuple[int, int]], dict[str, int]]:
    """(document, tokens) of each piece, and what is left out."""
    source = documents()
    pieces, kept, left_out = select(source, LENGTH, Dataset(name="d", uri="/d", documents=wanted))
    assert kept + sum(left_out.values()) == len(SIZES)
    number = np.searchsorted(source.offsets, pieces.begins, side="right") - 1
    return list(zip(number.tolist(), pieces.lengths.tolist(), strict=True)), left_out


def test_a_longer_document_is_cut_into_rows_and_a_rest() -> None:
    found, left_out = selected()
    assert found == [(0, 3), (1, 16), (1, 16), (1, 8), (2, 16), (3, 16), (3, 1), (4, 5), *[(6, 16)] * 6, (6, 4)]
    assert left_out == {"shorter than minTokens, 1": 1}


def test_a_longer_document_is_truncated_and_its_row_still_predicts_the_next_token() -> None:
    assert selected(longer="truncate")[0] == [(0, 3), (1, 16), (2, 16), (3, 16), (4, 5), (6, 16)]
    source = documents()
    pieces, _, _ = select(source, LENGTH, Dataset(name="d", uri="/d", documents={"longer": "truncate"}))
    assert pieces.last.tolist() == [True, False, True, False, True, False]


def test_a_longer_document_is_skipped_and_counted() -> None:
    assert selected(longer="skip") == ([(0, 3), (2, 16), (4, 5)], {"shorter than minTokens, 1": 1, "longer than a row, 16": 3})


def test_a_longer_document_ends_the_stage_with_its_name() -> None:
    with pytest.raises(DataCorruptError) as raised:
        selected(longer="fail", max_tokens=50)
    assert str(raised.value) == (
        f"{documents().name(1)}: datasets[d]: a document of 40 tokens is longer than the row's 16: "
        "shorten it, or set documents.longer to split, truncate or skip"
    )


def test_one_that_is_left_out_for_its_length_is_not_too_long_for_a_row() -> None:
    assert selected(longer="fail", max_tokens=16)[0] == [(0, 3), (2, 16), (4, 5)]


def test_lengths_outside_the_limits_are_left_out_and_counted() -> None:
    found, left_out = selected(min_tokens=5, max_tokens=40)
    assert {number for number, _ in found} == {1, 2, 3, 4}
    assert left_out == {"shorter than minTokens, 5": 2, "longer than maxTokens, 40": 1}


def run(**wanted: Any) -> RunConfig:
    datasets = [{"name": "d", "uri": "/d", "documents": wanted}]
    return a_run(**(ALONE | {"context_length": LENGTH, "batch_tokens": 2 * LENGTH, "datasets": datasets}))


def test_a_line_says_what_rows_are_made_of_and_what_is_left_out() -> None:
    assert Batches(run(min_tokens=5, longer="skip"), {"d": documents()}).about == [
        "datasets[d]: 2 documents in 2 rows an epoch, 65.6% full; left out: 2 shorter than minTokens, 5, 3 longer than a row, 16"
    ]
    assert Batches(run(), {"d": Documents.join([np.ones(16, np.int32)])}).about == [
        "datasets[d]: 1 documents in 1 rows an epoch, 100.0% full"
    ]


def test_limits_that_leave_nothing_are_refused() -> None:
    with pytest.raises(DataError, match=r"datasets\[d\]: all documents are left out \(7 shorter than minTokens, 500\): widen documents"):
        Batches(run(min_tokens=500), {"d": documents()})
