"""The backend for Hopper GPUs: forward by tokamax's Mosaic kernel, backward by the kernels of `triton`.

tokamax 0.0.12 is not used for both. Its forward kernel skips key blocks by the ranges and can write float32. Its backward kernels mask by
the ranges but skip nothing, round each shard's gradients to the model's dtype, and need the output where the ring has delta; its Triton
backward kernel needs the mask as a T x S array. What is used of tokamax is private API: its version is pinned, and tests lower the kernel.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from lwm_trainer.ring.kernels.protocol import AttentionBackend, QueryResiduals, Shard
from lwm_trainer.ring.kernels.softmax import EMPTY_SCORE, OnlineSoftmax, merge
from lwm_trainer.ring.kernels.triton import Triton

TILE = 128
"""Query tokens of two warpgroups. The kernel takes whole tiles only."""


def gpu_backend(device: jax.Device) -> AttentionBackend:
    """The fastest backend that a GPU can run."""
    return Hopper() if device.compute_capability == "9.0" else Triton()


class Hopper(NamedTuple):
    """Compute capability 9.0. `Triton` computes what the kernel does not take: float32, and lengths that are not whole tiles."""

    def forward(self, carry: OnlineSoftmax, shard: Shard) -> OnlineSoftmax:
        whole_tiles = shard.q_BKGTC.shape[3] % TILE == 0 and shard.k_BKSC.shape[2] % TILE == 0
        if not whole_tiles or shard.q_BKGTC.dtype not in (jnp.bfloat16, jnp.float16):
            return Triton().forward(carry, shard)
        return merge(carry, *_forward(shard))

    def backward(self, dq_BKGTC: Array, shard: Shard, residuals: QueryResiduals) -> tuple[Array, Array, Array]:
        return Triton().backward(dq_BKGTC, shard, residuals)


@partial(jax.named_call, name="ring_forward")
def _forward(shard: Shard) -> tuple[Array, Array]:
    from tokamax._src.ops.attention import pallas_mosaic_gpu_kernel_sm90 as sm90  # only the gpu image has it

    q_BKGTC, k_BKSC, v_BKSC, low_BT, high_BT = shard
    _, key_heads, group, tokens, width = q_BKGTC.shape
    keys = k_BKSC.shape[2]
    live = low_BT < high_BT
    kernel = partial(
        sm90.flash_attention_kernel,
        bias=None,
        mask=None,
        is_causal=False,
        logits_soft_cap=None,
        logits_scale=width**-0.5,
        out_dtype=jnp.dtype("float32"),
        normalize_output=True,
        return_residuals=True,
        use_stable_softmax=True,
        rescale_threshold=1.0,
        config=sm90.Config(block_q=TILE // 2, block_kv=128 if width <= 128 else 64, num_stages=2),
    )

    def row(q_KGTC: Array, k_KSC: Array, v_KSC: Array, low_T: Array, high_T: Array) -> tuple[Array, tuple[Array, Array]]:
        heads_last = q_KGTC.reshape(key_heads * group, tokens, width).swapaxes(0, 1)
        return kernel(heads_last, k_KSC.swapaxes(0, 1), v_KSC.swapaxes(0, 1), k_start=low_T[None], k_end=high_T[None])  # type: ignore[no-any-return]

    # A query without keys must neither widen the range of its tile nor stay unmasked in it.
    low, high = jnp.where(live, low_BT, keys), jnp.where(live, high_BT, 0)
    out_BTHC, residuals = jax.vmap(row)(q_BKGTC, k_BKSC, v_BKSC, low, high)
    return finish_kernel_output(out_BTHC, *residuals, live, group)


def finish_kernel_output(out_BTHC: Array, top_BHT: Array, sum_BHT: Array, live_BT: Array, group: int) -> tuple[Array, Array]:
    """Turn the kernel's normalized output, largest score and sum into (output, log-sum-exp), heads first; all logarithms are natural.

    For a query without keys the kernel returns the mean of the values that its tile read, or zero and -inf if it read none. Both are
    replaced by zero and `EMPTY_SCORE`.
    """
    batch, tokens, heads, width = out_BTHC.shape
    shape = (batch, heads // group, group, tokens)
    live = jnp.broadcast_to(live_BT[:, None, None, :], shape)
    top, total = top_BHT.reshape(shape), sum_BHT.reshape(shape)
    lse = jnp.where(live, top + jnp.log(jnp.where(live, total, 1.0)), EMPTY_SCORE)
    return jnp.where(live[..., None], out_BTHC.swapaxes(1, 2).reshape(*shape, width), 0.0), lse
