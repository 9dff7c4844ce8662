"""Who sees what at which hop, and when the ring may end: made once per batch, used by every layer.

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
    low_NBT: Array
    """int32, the first local key that each query may see in the shard that arrives at hop n, which is rank (this - n) mod N's."""
    high_NBT: Array
    """int32, one past the last; not above low where the query sees nothing of the shard."""
    last: Array
    """int32 scalar, equal on every device: the last hop where any query of any rank sees a key."""


def schedule_spec(axes: Axes) -> Schedule:
    """How a schedule lies on the mesh."""
    ranges = P(None, axes.rows, axes.ring)
    return Schedule(ranges, ranges, P())  # type: ignore[arg-type]


def make_schedule(mesh: jax.sharding.Mesh, axes: Axes, index_BT: Array, start_BT: Array, stop_BT: Array | None = None) -> Schedule:
    """The schedule of one batch from each token's place and the places [start, stop) that it may see, see `ring_attention`."""
    tokens = P(axes.rows, axes.ring)
    made = partial(_make, axis=axes.ring, everywhere=tuple(mesh.axis_names), size=mesh.shape[axes.ring])
    per_device = jax.shard_map(made, mesh=mesh, in_specs=(tokens,) * 3, out_specs=schedule_spec(axes), check_vma=False)
    return per_device(index_BT, start_BT, stop_BT if stop_BT is not None else index_BT + 1)


def _make(index_BT: Array, start_BT: Array, stop_BT: Array, *, axis: str, everywhere: tuple[str, ...], size: int) -> Schedule:
    by_rank = lax.all_gather(index_BT, axis)
    arriving = (lax.axis_index(axis) - jnp.arange(size, dtype=jnp.int32)) % size
    low, high = key_ranges(start_BT, stop_BT, by_rank[arriving])
    live = jnp.any(low < high, axis=(1, 2))
    last = jnp.max(jnp.where(live, jnp.arange(size, dtype=jnp.int32), 0))
    return Schedule(low, high, lax.pmax(last, everywhere))
