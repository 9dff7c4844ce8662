"""Which keys a query may see, as one interval per query and shard.

Every token may see the places [start, stop) of its row. `start` is where its document starts; `stop` is its own place + 1 (causal) or the
end of a prefix whose tokens all see each other (full). A shard that holds its tokens in ascending order of place holds the visible ones in
one contiguous interval of local key numbers, whatever the layout. So causal, full, packed and padded rows need no other form of mask.
Padding has start = stop, an empty interval.

Letters: B rows, T tokens of a rank, N ring size.
"""

import jax
import jax.numpy as jnp
from jax import Array


def key_ranges(start_BT: Array, stop_BT: Array, key_index_NBT: Array) -> tuple[Array, Array]:
    """The first and one past the last local key that each query may see, for each of N shards.

    Args:
        start_BT, stop_BT: int32, the places [start, stop) of the row that each query may see.
        key_index_NBT: int32, the places of the row that each shard holds, ascending along T.

    Returns:
        (low, high), both int32[N, B, T], with low >= high where a query sees nothing of a shard.
    """

    def search(keys_T: Array, values_T: Array) -> Array:
        return jnp.searchsorted(keys_T, values_T, side="left").astype(jnp.int32)

    by_row = jax.vmap(search)
    by_shard = jax.vmap(by_row, in_axes=(0, None))
    return by_shard(key_index_NBT, start_BT), by_shard(key_index_NBT, stop_BT)
