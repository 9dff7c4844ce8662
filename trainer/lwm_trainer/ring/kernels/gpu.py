"""The inner loop for Hopper GPUs: forward by tokamax's Mosaic kernel, backward by the kernels of `triton`.

Why not tokamax for both, as of 0.0.12: its forward kernel skips key blocks by the ranges and can write float32, its backward kernels mask
by the ranges but skip nothing, round each shard's gradients to the model's dtype, and want the output where the ring has delta; its
Triton backward needs the mask as a T x S array. All of tokamax that is used is private to it: the version is pinned, the tests lower it.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from lwm_trainer.ring.kernels.protocol import Inner, QueryResiduals, Shard
from lwm_trainer.ring.kernels.softmax import NOTHING, Softmax, merge
from lwm_trainer.ring.kernels.triton import Triton

TILE = 128
"""Query tokens that two warpgroups own: the kernel takes whole tiles only."""


def for_device(device: jax.Device) -> Inner:
    """The fastest inner loop that a GPU can run."""
    return Hopper() if device.compute_capability == "9.0" else Triton()


class Hopper(NamedTuple):
    """Compute capability 9.0. What the kernel does not take, float32 and tokens that are not whole tiles, `Triton` does."""

    def forward(self, carry: Softmax, shard: Shard) -> Softmax:
        whole_tiles = shard.q_BKGTC.shape[3] % TILE == 0 and shard.k_BKSC.shape[2] % TILE == 0
        if not whole_tiles or shard.q_BKGTC.dtype not in (jnp.bfloat16, jnp.float16):
            return Triton().forward(carry, shard)
        return merge(carry, *_forward(shard))

    def backward(self, dq_BKGTC: Array, shard: Shard, pull: QueryResiduals) -> tuple[Array, Array, Array]:
        return Triton().backward(dq_BKGTC, shard, pull)


@partial(jax.named_call, name="ring_forward")
def _forward(shard: Shard) -> tuple[Array, Array]:
    from tokamax._src.ops.attention import pallas_mosaic_gpu_kernel_sm90 as sm90  # the gpu image alone holds it

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

    # A query without keys must neither widen the span of its tile nor be left unmasked in it.
    low, high = jnp.where(live, low_BT, keys), jnp.where(live, high_BT, 0)
    out_BTHC, residuals = jax.vmap(row)(q_BKGTC, k_BKSC, v_BKSC, low, high)
    return finished(out_BTHC, *residuals, live, group)


def finished(out_BTHC: Array, top_BHT: Array, sum_BHT: Array, live_BT: Array, group: int) -> tuple[Array, Array]:
    """(output, natural log-sum-exp), heads first, of the kernel's normalised output, largest score (natural too) and sum.

    For a query without keys the kernel gives the mean of the values of the blocks that its tile read, or zero and -inf when it read
    none: neither is let through.
    """
    batch, tokens, heads, width = out_BTHC.shape
    shape = (batch, heads // group, group, tokens)
    live = jnp.broadcast_to(live_BT[:, None, None, :], shape)
    top, total = top_BHT.reshape(shape), sum_BHT.reshape(shape)
    lse = jnp.where(live, top + jnp.log(jnp.where(live, total, 1.0)), NOTHING)
    return jnp.where(live[..., None], out_BTHC.swapaxes(1, 2).reshape(*shape, width), 0.0), lse
