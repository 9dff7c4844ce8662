import numpy as np
import pytest

from benchmarks.attention.workload import document_lengths, order, starts, useful_flops


def test_useful_arithmetic_is_the_causal_half_of_each_document_and_three_and_a_half_times_that_with_the_backward_pass() -> None:
    pairs = sum(range(1, 1025))
    assert useful_flops([1024], 4, 128, False) == pytest.approx(4 * pairs * 128 * 4, rel=1e-3)
    assert useful_flops([1024], 4, 128, True) == 3.5 * useful_flops([1024], 4, 128, False)
    assert useful_flops([256] * 4, 4, 128, False) == useful_flops([1024], 4, 128, False) / 4


@pytest.mark.parametrize("documents", [1, 4, 16])
def test_documents_fill_the_row_unevenly_and_in_the_same_proportions_for_every_length(documents: int) -> None:
    lengths = document_lengths(4096, documents)
    assert (len(lengths), sum(lengths)) == (documents, 4096)
    assert len(set(lengths)) > documents / 2
    assert np.allclose(np.array(document_lengths(8192, documents)) / 2, lengths, atol=1)


def test_every_token_knows_where_its_document_starts() -> None:
    assert starts([2, 3, 1]).tolist() == [0, 0, 2, 2, 2, 5]


def test_the_order_is_a_permutation_that_ascends_within_each_rank() -> None:
    places = order(starts(document_lengths(64, 4)), 8)
    assert sorted(places) == list(range(64))
    assert all((np.diff(rank) > 0).all() for rank in places.reshape(8, -1))
