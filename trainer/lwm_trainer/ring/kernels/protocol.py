"""What the ring asks of an inner loop: attention of local queries to one shard of keys. One module per backend offers it.

Letters: B rows, K key heads, G query heads per key head, T query tokens, S key tokens, C head width.
"""

from typing import NamedTuple, Protocol

from jax import Array

from lwm_trainer.ring.kernels.softmax import Softmax


class Shard(NamedTuple):
    """The queries and one shard that they look at; queries, keys and values are in the model's dtype."""

    q_BKGTC: Array
    k_BKSC: Array
    v_BKSC: Array
    low_BT: Array
    high_BT: Array
    """int32, the local keys [low, high) that each query may see, none where low >= high."""


class QueryResiduals(NamedTuple):
    """What the backward pass knows of the queries, over all shards."""

    lse_BKGT: Array
    dout_BKGTC: Array
    delta_BKGT: Array
    """The sum over C of dout * out (FlashAttention, section B.4)."""


class Inner(Protocol):
    """A backend; all that it returns is float32."""

    def forward(self, carry: Softmax, shard: Shard) -> Softmax:
        """Let the queries see one more shard."""
        ...

    def backward(self, dq_BKGTC: Array, shard: Shard, pull: QueryResiduals) -> tuple[Array, Array, Array]:
        """(dq with this shard's part added, dk_BKSC and dv_BKSC of this shard by these queries)."""
        ...
