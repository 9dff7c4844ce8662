"""Rows over epochs: each uses the documents that it draws, and every row is known from its number alone."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from lwm_trainer.config import Dataset
from lwm_trainer.data.documents.in_memory import InMemoryDocuments
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.rows.epochs import EpochRows

LENGTH = 8
EPOCHS = [15, 0b0001, 0b1110, 0b0101, 0b1010, 15]
"""Six documents: two that every epoch uses, and two pairs of which every epoch uses one."""
SIZES = [3, 8, 2, 5, 6, 4]


def documents(sizes: list[int], epochs: list[int] | None = None) -> InMemoryDocuments:
    return InMemoryDocuments.from_examples(
        ("", Example(np.full(size, number, np.int32), None, None, *([] if epochs is None else epochs[number : number + 1])))
        for number, size in enumerate(sizes)
    )


def rows_of(source: InMemoryDocuments, **changes: Any) -> EpochRows:
    return EpochRows(source, LENGTH, Dataset.model_validate({"name": "d", "uri": "/d"} | changes), 7)


def drawn(rows: EpochRows, source: InMemoryDocuments, numbers: range) -> list[int]:
    """The documents in some rows."""
    begins = [begin for number in numbers for begin in rows.row(number).begins]
    return [int(np.searchsorted(source.offsets, begin, "right")) - 1 for begin in begins]


def test_each_epoch_uses_its_own_documents_once_and_after_a_cycle_the_draws_begin_again() -> None:
    source = documents(SIZES, EPOCHS)
    rows = rows_of(source)
    number = 0
    for epoch in range(9):
        used = [document for document, epochs in enumerate(EPOCHS) if epochs >> epoch % 4 & 1]
        count = rows_of(documents([SIZES[document] for document in used])).first.rows
        assert Counter(drawn(rows, source, range(number, number + count))) == Counter(used)
        number += count


def test_a_row_is_the_same_whatever_was_asked_for_before() -> None:
    source = documents(SIZES, EPOCHS)
    in_order = rows_of(source)
    expected = [in_order.row(number) for number in range(40)]
    for number in (39, 17, 5, 0):
        assert all(np.array_equal(*pair) for pair in zip(rows_of(source).row(number), expected[number], strict=True))


def test_the_first_epoch_is_that_of_its_documents_alone() -> None:
    source = documents(SIZES, EPOCHS)
    alone = documents([size for size, epochs in zip(SIZES, EPOCHS, strict=True) if epochs & 1])
    ours, theirs = rows_of(source), rows_of(alone)
    assert ours.first.rows == theirs.first.rows
    for number in range(ours.first.rows):
        assert ours.row(number).lengths.tolist() == theirs.row(number).lengths.tolist()


def test_epochs_of_one_cycle_have_orders_of_their_own_also_where_they_draw_the_same() -> None:
    source = documents([LENGTH] * 30 + [1, 1], [15] * 30 + [1, 14])
    rows = rows_of(source)
    orders = [tuple(drawn(rows, source, range(31 * epoch, 31 * epoch + 31))) for epoch in range(8)]
    assert len(set(orders)) == 8


def test_tokens_are_counted_over_epochs_of_different_sizes() -> None:
    rows = rows_of(documents(SIZES, EPOCHS))
    sizes = [int(rows.row(number).lengths.sum()) for number in range(40)]
    assert [rows.tokens(number) for number in range(40)] == sizes
    assert [rows.tokens_before(number) for number in range(41)] == np.cumsum([0, *sizes]).tolist()


def test_a_document_that_is_too_long_in_a_later_epoch_fails_at_the_start() -> None:
    with pytest.raises(DataCorruptError, match=r"document 1: .* a document of 9 tokens is longer than the row's 8"):
        rows_of(documents([3, 9], [1, 14]), documents={"overlong": "fail"})


def test_what_a_later_epoch_leaves_out_is_not_counted_for_the_first() -> None:
    rows = rows_of(documents([3, 9, 1], [1, 14, 15]), documents={"overlong": "skip", "minTokens": 2})
    assert (rows.selection.documents, rows.selection.remarks) == (1, ("1 left out, shorter than minTokens 2",))
