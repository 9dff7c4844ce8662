import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm_trainer.ring.layout import zigzag


@given(st.integers(1, 16), st.integers(1, 8))
def test_every_place_is_held_once_ascending_and_the_causal_work_is_equal(ring: int, chunk: int) -> None:
    length = 2 * ring * chunk
    order = zigzag(length, ring)
    assert sorted(order) == list(range(length))
    ranks = order.reshape(ring, -1)
    assert np.all(np.diff(ranks, axis=1) > 0)
    work = (ranks + 1).sum(axis=1)
    assert work.max() == work.min()


def test_a_length_that_does_not_divide_is_refused_with_the_number_it_must_be_a_multiple_of() -> None:
    with pytest.raises(ValueError, match="100 is not a multiple of 2 x ring size = 16"):
        zigzag(100, 8)
