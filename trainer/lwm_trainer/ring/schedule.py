"""Which keys each query sees at each hop, and the hop after which the ring ends; computed once per batch, used by every layer.

Letters: B rows, T tokens of a ring rank, N ring size.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import PartitionSpec as P

from lwm_trainer.ring.axes import Axes
from lwm_trainer.ring.ranges import key_ranges


class Schedule(NamedTuple):
    """The key ranges of every hop."""

    low_NBT: Array
    """int32, the first local key that each query may see in the shard of hop n, which belongs to rank (this rank - n) mod N."""
    high_NBT: Array
    """int32, one past the last; at most `low` where the query sees no key of the shard."""
    last: Array
    """int32 scalar, equal on every device: the last hop at which any query of any rank sees a key."""


def schedule_spec(axes: Axes) -> Schedule:
    """The partition specs of a schedule."""
    ranges = P(None, axes.rows, axes.ring)
    return Schedule(ranges, ranges, P())  # type: ignore[arg-type]


def make_schedule(mesh: jax.sharding.Mesh, axes: Axes, index_BT: Array, start_BT: Array, stop_BT: Array | None = None) -> Schedule:
    """Compute the schedule of one batch. The arguments are those of `ring_attention`."""
    tokens = P(axes.rows, axes.ring)
    make = partial(_make, axis=axes.ring, everywhere=tuple(mesh.axis_names), size=mesh.shape[axes.ring])
    per_device = jax.shard_map(make, mesh=mesh, in_specs=(tokens,) * 3, out_specs=schedule_spec(axes), check_vma=False)
    return per_device(index_BT, start_BT, stop_BT if stop_BT is not None else index_BT + 1)


def _make(index_BT: Array, start_BT: Array, stop_BT: Array, *, axis: str, everywhere: tuple[str, ...], size: int) -> Schedule:
    by_rank = lax.all_gather(index_BT, axis)
    arriving = (lax.axis_index(axis) - jnp.arange(size, dtype=jnp.int32)) % size
    low, high = key_ranges(start_BT, stop_BT, by_rank[arriving])
    live = jnp.any(low < high, axis=(1, 2))
    last = jnp.max(jnp.where(live, jnp.arange(size, dtype=jnp.int32), 0))
    return Schedule(low, high, lax.pmax(last, everywhere))
