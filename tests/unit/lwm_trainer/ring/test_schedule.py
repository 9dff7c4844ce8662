"""When the ring ends, and that nothing is computed or sent beyond it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from numpy.typing import NDArray

from lwm_trainer.config import Mesh
from lwm_trainer.parallel.mesh import RING_AXES, make_mesh
from lwm_trainer.ring.attention import ring_attention
from lwm_trainer.ring.layout import zigzag
from lwm_trainer.ring.schedule import make_schedule

LENGTH, RING = 64, 8
INDEX = np.arange(LENGTH, dtype=np.int32)[None]
SHARD = LENGTH // RING


def documents(size: int) -> NDArray[np.int32]:
    return (INDEX // size * size).astype(np.int32)


def last_hop(start: NDArray[Any], order: NDArray[Any], stop: NDArray[Any] | None = None) -> int:
    stop = stop if stop is not None else INDEX + 1
    in_order = [jnp.array(x[:, order]) for x in (INDEX, start, stop)]
    return int(make_schedule(make_mesh(Mesh(sp=RING)), RING_AXES, *in_order).last)


@pytest.mark.parametrize(("size", "hop"), [(SHARD, 0), (2, 0), (2 * SHARD, 1), (4 * SHARD, 3), (LENGTH, 7)], ids=lambda value: f"{value}")
def test_the_ring_ends_at_the_farthest_rank_that_a_document_reaches(size: int, hop: int) -> None:
    assert last_hop(documents(size), np.arange(LENGTH)) == hop


def test_one_document_in_zigzag_needs_every_hop_and_padding_none() -> None:
    assert last_hop(documents(LENGTH), zigzag(LENGTH, RING)) == RING - 1
    assert last_hop(INDEX + 1, zigzag(LENGTH, RING)) == 0


def test_a_prefix_that_sees_itself_whole_looks_forward_round_the_ring() -> None:
    stop = np.where(INDEX < 2 * SHARD, 2 * SHARD, INDEX + 1).astype(np.int32)
    start = np.where(INDEX < 2 * SHARD, 0, INDEX).astype(np.int32)
    assert last_hop(start, np.arange(LENGTH), stop) == RING - 1, "rank 0 sees rank 1's keys, which arrive last"


def test_hops_beyond_the_last_live_one_are_not_made() -> None:
    """Keys that lie beyond would poison the sum, were they looked at: NaN in a far shard must not come near."""
    random = np.random.default_rng(0)
    q, k, v = (random.standard_normal((1, LENGTH, 2, 16), dtype=np.float32) for _ in range(3))
    k[:, -SHARD:], v[:, -SHARD:] = np.nan, np.nan

    @jax.jit
    def both(q: Array, k: Array, v: Array) -> tuple[Array, Any]:
        out, pull = jax.vjp(ring_attention(make_mesh(Mesh(sp=RING)), RING_AXES, jnp.array(INDEX), jnp.array(documents(SHARD))), q, k, v)
        return out, pull(jnp.ones_like(out))

    out, grads = both(q, k, v)
    for array in (out, *grads):
        assert np.isfinite(np.asarray(array)[:, :-SHARD]).all()
        assert np.isnan(np.asarray(array)[:, -SHARD:]).any(), "the control: the poison is there"
