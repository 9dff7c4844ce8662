"""Rings of groups that trade tokens for heads, against dense attention in float32: every split, and heads that do not come out even."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from lwm_trainer.config import Mesh
from lwm_trainer.parallel.mesh import RING_AXES, make_mesh
from lwm_trainer.ring import ulysses
from lwm_trainer.ring.attention import ring_attention
from lwm_trainer.ring.kernels.blockwise import Blockwise
from lwm_trainer.ring.layout import zigzag
from support.dense_attention import LENGTH, PACKINGS, ROWS, dense, distance, example

INDEX = np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1))
START = np.stack([PACKINGS["odd edges"][0], PACKINGS["a rank without a live key"][0]])


def assert_equals_dense(mesh: Mesh, heads: int, key_heads: int) -> None:
    q, k, v, dout = example(heads, key_heads)
    order = zigzag(LENGTH, mesh.ring)
    device_mesh = make_mesh(mesh)

    @jax.jit
    def split(q: Array, k: Array, v: Array) -> tuple[Array, Any]:
        attend = ring_attention(device_mesh, RING_AXES, jnp.array(INDEX[:, order]), jnp.array(START[:, order]), backend=Blockwise(16))
        out, pull = jax.vjp(attend, q, k, v)
        return out, pull(jnp.array(dout[:, order]))

    out, grads = split(*(x[:, order] for x in (q, k, v)))
    expected, pull = jax.vjp(lambda q, k, v: dense(q, k, v, jnp.array(START)), q, k, v)
    assert distance(out, np.asarray(expected)[:, order]) <= 1e-5
    for result, wanted in zip(grads, pull(jnp.array(dout)), strict=True):
        assert distance(result, np.asarray(wanted)[:, order]) <= 1e-5


@pytest.mark.parametrize(("degree", "key_heads"), [(1, 2), (2, 1), (2, 8), (4, 1), (4, 2), (8, 1), (8, 2), (8, 8)])
def test_every_split_of_eight_devices_equals_dense_attention(degree: int, key_heads: int) -> None:
    assert_equals_dense(Mesh(sp=8, ulysses=degree), 8, key_heads)


@pytest.mark.parametrize(
    ("mesh", "heads", "key_heads"),
    [
        (Mesh(sp=8, ulysses=4), 12, 6),  # neither divides the other: each key head stands twice
        (Mesh(sp=4, tp=2, ulysses=2), 4, 2),  # one key head of a tp shard for two devices
        (Mesh(fsdp=2, sp=4, ulysses=2), 4, 4),
    ],
    ids=["least common multiple", "with tensor parallelism", "with data parallelism"],
)
def test_heads_that_do_not_come_out_even_equal_dense_attention(mesh: Mesh, heads: int, key_heads: int) -> None:
    assert_equals_dense(mesh, heads, key_heads)


def test_keys_are_repeated_no_more_than_needed() -> None:
    mesh = make_mesh(Mesh(sp=8, ulysses=4))
    for heads, key_heads in ((8, 1), (8, 2), (8, 4), (12, 6)):
        q, k, v, _ = (jnp.array(x) for x in example(heads, key_heads))
        queries, keys, values = ulysses.to_heads(mesh, RING_AXES, q, k, v)
        assert queries.shape == q.shape
        assert keys.shape[2] == values.shape[2] == math.lcm(key_heads, 4)
        np.testing.assert_array_equal(ulysses.to_tokens(mesh, RING_AXES, queries), q)


def test_query_heads_that_the_group_does_not_divide_are_refused_by_name() -> None:
    q, k, v, _ = (jnp.array(x) for x in example(6, 2))
    with pytest.raises(ValueError, match=r"mesh\.ulysses: 4 does not divide the 6 query heads of a device"):
        ulysses.to_heads(make_mesh(Mesh(sp=8, ulysses=4)), RING_AXES, q, k, v)
