"""What the ring asks of an inner loop: attention of local queries to one shard of keys. One module per backend offers it.

Letters: B rows, K key heads, G query heads per key head, T query tokens, S key tokens, C head width.
"""

from typing import Protocol

from jax import Array

from lwm_trainer.ring.inner.softmax import Softmax


class Inner(Protocol):
    """A backend. `low_BT` and `high_BT` (int32) are the local keys [low, high) that each query may see, none where low >= high.

    Queries q_BKGTC, keys k_BKSC and values v_BKSC are in the model's dtype; all that is returned is float32.
    """

    def forward(self, carry: Softmax, q_BKGTC: Array, k_BKSC: Array, v_BKSC: Array, low_BT: Array, high_BT: Array) -> Softmax:
        """Let the queries see one more shard."""
        ...

    def backward(
        self,
        dq_BKGTC: Array,
        q_BKGTC: Array,
        k_BKSC: Array,
        v_BKSC: Array,
        low_BT: Array,
        high_BT: Array,
        lse_BKGT: Array,
        dout_BKGTC: Array,
        delta_BKGT: Array,
    ) -> tuple[Array, Array, Array]:
        """(dq with this shard's part added, dk_BKSC and dv_BKSC of this shard by these queries).

        `lse_BKGT` is over all shards; `delta_BKGT` is the sum over C of dout * out (FlashAttention, section B.4).
        """
        ...
