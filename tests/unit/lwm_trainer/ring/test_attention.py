"""The ring against dense attention in float32, forward and all gradients."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from lwm_trainer.config import Mesh
from lwm_trainer.parallel.mesh import RING_AXES, make_mesh
from lwm_trainer.ring.attention import SAVED_NAMES, ring_attention
from lwm_trainer.ring.kernels.blockwise import Blockwise
from lwm_trainer.ring.layout import plan_layout, zigzag
from support.dense_attention import LENGTH, PACKINGS, ROWS, dense, distance, example, starts

BLOCKS = Blockwise(20)  # neither 10 nor 20 divides what a rank holds


@cache
def ring(mesh: Mesh) -> Callable[..., tuple[Array, Any]]:
    """Output and gradients of the ring over that mesh. Layouts come with the rows, as in training: one program serves all of a shape."""
    device_mesh = make_mesh(mesh)

    @jax.jit
    def both(q: Array, k: Array, v: Array, dout: Array, index: Array, start: Array) -> tuple[Array, Any]:
        out, pull = jax.vjp(ring_attention(device_mesh, RING_AXES, index, start, backend=BLOCKS), q, k, v)
        return out, pull(dout)

    return both


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize(
    ("mesh", "heads", "key_heads"),
    [(Mesh(sp=8), 4, 2), (Mesh(fsdp=2, sp=4), 8, 1), (Mesh(sp=4, tp=2), 4, 4), (Mesh(dp=2, tp=4), 4, 4)],
    ids=lambda value: "-".join(f"{k}{v}" for k, v in value.model_dump().items() if (v or 1) > 1) if isinstance(value, Mesh) else str(value),
)
def test_the_ring_equals_dense_attention(mesh: Mesh, heads: int, key_heads: int, packing: str) -> None:
    q, k, v, dout = example(heads, key_heads)
    start = np.stack(PACKINGS[packing])
    index = np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1))
    order = zigzag(LENGTH, mesh.ring)
    out, grads = ring(mesh)(*(x[:, order] for x in (q, k, v, dout, index, start)))
    expected, pull = jax.vjp(lambda q, k, v: dense(q, k, v, jnp.array(start)), q, k, v)
    assert distance(out, np.asarray(expected)[:, order]) <= 1e-5
    for result, wanted in zip(grads, pull(jnp.array(dout)), strict=True):
        assert distance(result, np.asarray(wanted)[:, order]) <= 1e-5


def test_rows_of_one_batch_may_each_have_a_layout_of_their_own() -> None:
    q, k, v, dout = example(4, 2)
    start = np.stack([starts(130, 40, 10, padding=12), starts(50, 70, 72)])
    order = np.stack([plan_layout(row, 8, pairs_per_token_hop=0) for row in start])
    simple = np.arange(LENGTH, dtype=np.int32), zigzag(LENGTH, 8)
    assert len({layout.tobytes() for layout in (*order, *simple)}) == 4, (
        "the rows should need layouts unlike each other and the simple ones"
    )

    def planned(x: Any) -> Any:
        return np.take_along_axis(np.asarray(x), order.reshape(ROWS, LENGTH, *[1] * (x.ndim - 2)), axis=1)

    out, grads = ring(Mesh(sp=8))(*(planned(x) for x in (q, k, v, dout)), order.astype(np.int32), planned(start))
    expected, pull = jax.vjp(lambda q, k, v: dense(q, k, v, jnp.array(start)), q, k, v)
    assert distance(out, planned(expected)) <= 1e-5
    for result, wanted in zip(grads, pull(jnp.array(dout)), strict=True):
        assert distance(result, planned(wanted)) <= 1e-5


@pytest.mark.parametrize("channels", [64, 96, 128, 256])
def test_heads_of_any_width_equal_dense_attention(channels: int) -> None:
    q, k, v, dout = example(2, 1, channels)
    start, index = np.stack(PACKINGS["odd edges"]), np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1))
    out, grads = ring(Mesh(sp=8))(q, k, v, dout, index, start)
    expected, pull = jax.vjp(lambda q, k, v: dense(q, k, v, jnp.array(start)), q, k, v)
    for result, wanted in zip((out, *grads), (expected, *pull(jnp.array(dout))), strict=True):
        assert distance(result, wanted) <= 1e-5


def test_a_prefix_may_see_itself_whole() -> None:
    """The first 70 places of one row, the first of two documents of the other: full there, causal behind."""
    q, k, v, dout = example(4, 2)
    index = np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1))
    start = np.stack([starts(192), starts(101, 91)])
    prefix = np.array([[70], [33]])
    stop = np.where(index < prefix, prefix, index + 1).astype(np.int32)
    order = zigzag(LENGTH, 8)

    @jax.jit
    def with_prefix(q: Array, k: Array, v: Array) -> tuple[Array, Any]:
        places, first, behind = (jnp.array(x[:, order]) for x in (index, start, stop))
        out, pull = jax.vjp(ring_attention(make_mesh(Mesh(sp=8)), RING_AXES, places, first, behind, backend=BLOCKS), q, k, v)
        return out, pull(jnp.array(dout[:, order]))

    out, grads = with_prefix(*(x[:, order] for x in (q, k, v)))
    expected, pull = jax.vjp(lambda q, k, v: dense(q, k, v, jnp.array(start), jnp.array(stop)), q, k, v)
    for result, wanted in zip((out, *grads), (expected, *pull(jnp.array(dout))), strict=True):
        assert distance(result, np.asarray(wanted)[:, order]) <= 1e-5
    assert distance(out, np.asarray(dense(q, k, v, jnp.array(start)))[:, order]) > 1e-2, "the control: causal is something else"


def test_a_document_never_sees_another() -> None:
    """Changing one document's keys and values changes nothing in the other."""
    q, k, v, _ = example(4, 2)
    start = np.stack([starts(90, 102)] * ROWS)
    index = np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1))
    order, back = zigzag(LENGTH, 8), np.argsort(zigzag(LENGTH, 8))
    attend = jax.jit(
        lambda q, k, v: ring_attention(make_mesh(Mesh(sp=8)), RING_AXES, jnp.array(index[:, order]), jnp.array(start[:, order]))(q, k, v)
    )
    before = np.asarray(attend(*(x[:, order] for x in (q, k, v))))[:, back]
    k[:, :90] += 3.0
    v[:, :90] -= 5.0
    after = np.asarray(attend(*(x[:, order] for x in (q, k, v))))[:, back]
    np.testing.assert_array_equal(before[:, 90:], after[:, 90:])
    assert not np.array_equal(before[:, :90], after[:, :90])


def test_rematerialisation_does_not_run_the_ring_again() -> None:
    q, k, v, _ = example(4, 2)
    index = np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1))
    mesh = make_mesh(Mesh(sp=8))

    def layer(q: Array, policy: Any) -> Array:
        def inside(q: Array) -> Array:
            return ring_attention(mesh, RING_AXES, jnp.array(index), jnp.zeros_like(jnp.array(index)))(jnp.sin(q), k, v)

        return jnp.square(jax.checkpoint(inside, policy=policy)(q)).sum()

    def hops(policy: Any) -> int:
        text = jax.jit(jax.grad(layer), static_argnums=1).lower(q, policy).compile().as_text()
        return text.count("ring_forward") if text else 0

    kept = hops(jax.checkpoint_policies.save_only_these_names(*SAVED_NAMES))
    assert 0 < kept < hops(jax.checkpoint_policies.nothing_saveable)
