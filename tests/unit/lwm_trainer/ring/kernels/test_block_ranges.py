"""Every key that a query may see is visited exactly once, and few others are computed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lwm_trainer.ring.kernels.block_ranges import key_block_ranges, masked_block, query_block, query_block_count


def visits(low: list[int], high: list[int], keys: int, q_size: int, k_size: int, large: int | None) -> tuple[np.ndarray, int]:
    """How often each query sees each key, and how many pairs were computed."""
    seen, computed = np.zeros((len(low), keys), np.int64), 0
    ranges = jnp.array([low], jnp.int32), jnp.array([high], jnp.int32)
    make = jax.jit(lambda number: (queries := query_block(number, *ranges, q_size), key_block_ranges(queries, keys, k_size, large)))
    mask = jax.jit(lambda blocks, queries, number: masked_block(blocks, queries, number, keys, k_size))
    for block in range(query_block_count(len(low), q_size)):
        queries, blocks = make(block)
        rows = slice(int(queries.start), int(queries.start) + q_size)
        seen[rows, int(blocks.inner) : int(blocks.right)] += 1
        computed += q_size * int(blocks.right - blocks.inner)
        for number in range(int(blocks.masked)):
            at, visible = mask(blocks, queries, number)
            seen[rows, int(at) : int(at) + k_size] += np.asarray(visible)
            computed += q_size * k_size
    return seen, computed


def packed(*documents: int) -> tuple[list[int], list[int]]:
    starts = [start for start, size in zip(np.cumsum([0, *documents]), documents, strict=False) for _ in range(size)]
    return [int(start) for start in starts], list(range(1, sum(documents) + 1))


RANGES = {
    "causal": packed(96),
    "documents": packed(1, 30, 1, 50, 14),
    "one-token documents": packed(*[1] * 96),
    "everything": ([0] * 96, [96] * 96),
    "nothing": (list(range(1, 97)), list(range(1, 97))),
    "padding after documents": (packed(40, 23)[0] + [64] * 33, packed(40, 23)[1] + [0] * 33),
    "a prefix that sees itself whole": ([0] * 96, [max(37, at + 1) for at in range(96)]),
    "only the last keys": ([90] * 96, [96] * 96),
}


@pytest.mark.parametrize("ranges", RANGES)
@pytest.mark.parametrize("sizes", [(8, 8, 16), (8, 8, None), (10, 7, 14), (96, 96, 96)], ids=str)
def test_every_visible_key_is_seen_once_and_no_other(ranges: str, sizes: tuple[int, int, int | None]) -> None:
    low, high = RANGES[ranges]
    seen, _ = visits(low, high, 96, *sizes)
    key = np.arange(96)[None]
    np.testing.assert_array_equal(seen, (key >= np.array(low)[:, None]) & (key < np.array(high)[:, None]))


@pytest.mark.parametrize("large", [16, None])
def test_documents_long_against_the_block_waste_five_percent_at_most(large: int | None) -> None:
    low, high = packed(301, 403, 320)
    seen, computed = visits(low, high, 1024, 8, 8, large)
    assert seen.sum() <= computed <= 1.05 * seen.sum()


def test_a_block_without_a_visible_key_visits_none() -> None:
    assert visits([3] * 16, [3] * 16, 16, 8, 8, 16)[1] == 0
