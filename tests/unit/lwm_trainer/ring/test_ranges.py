import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm_trainer.ring.layout import zigzag
from lwm_trainer.ring.ranges import key_ranges


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(0, 10))
def test_the_interval_holds_exactly_the_earlier_tokens_of_the_same_document(lengths: list[int], padding: int) -> None:
    ring = 4
    length = -(-(sum(lengths) + padding) // (2 * ring)) * 2 * ring
    index = np.arange(length, dtype=np.int32)
    start = index + 1
    document = np.full(length, -1)
    at = 0
    for number, size in enumerate(lengths):
        start[at : at + size], document[at : at + size] = at, number
        at += size
    shards = zigzag(length, ring).reshape(ring, -1)
    for rank in shards:
        keys = np.stack([shards[other] for other in range(ring)])[:, None]
        low, high = key_ranges(jnp.array(start[rank][None]), jnp.array(index[rank][None] + 1), jnp.array(keys))
        for other, keys_here in enumerate(shards):
            local = np.arange(len(keys_here))
            seen = (local >= np.asarray(low)[other, 0][:, None]) & (local < np.asarray(high)[other, 0][:, None])
            same = (document[rank][:, None] == document[keys_here]) & (document[rank] >= 0)[:, None]
            np.testing.assert_array_equal(seen, same & (keys_here <= rank[:, None]))
