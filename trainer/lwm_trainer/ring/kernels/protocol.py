"""What the ring asks of a backend: attention of local queries to one shard of keys.

Letters: B rows, K key heads, G query heads per key head, T query tokens, S key tokens, C head width.
"""

from typing import NamedTuple, Protocol

from jax import Array

from lwm_trainer.ring.kernels.softmax import OnlineSoftmax


class Shard(NamedTuple):
    """The local queries and one shard of keys and values, all in the model's dtype."""

    q_BKGTC: Array
    k_BKSC: Array
    v_BKSC: Array
    low_BT: Array
    high_BT: Array
    """int32, the local keys [low, high) that each query may see; none where low >= high."""


class QueryResiduals(NamedTuple):
    """What the backward pass needs of the queries, over all shards."""

    lse_BKGT: Array
    dout_BKGTC: Array
    delta_BKGT: Array
    """The sum over C of dout * out (Dao et al. 2022, FlashAttention, section B.4)."""


class AttentionBackend(Protocol):
    """Attention to one shard; all results are float32."""

    def forward(self, carry: OnlineSoftmax, shard: Shard) -> OnlineSoftmax:
        """Add the attention to one shard to the online softmax."""
        ...

    def backward(self, dq_BKGTC: Array, shard: Shard, residuals: QueryResiduals) -> tuple[Array, Array, Array]:
        """The gradients (dq with the part of this shard added, dk_BKSC, dv_BKSC) of these queries and this shard."""
        ...
