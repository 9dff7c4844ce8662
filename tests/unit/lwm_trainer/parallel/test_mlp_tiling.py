"""The MLP in tiles is the MLP, and costs no communication."""

import re
from collections import Counter
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from lwm_trainer.config import Mesh
from lwm_trainer.model.modules import whole_row
from lwm_trainer.parallel.mesh import RING_AXES, STREAM, make_mesh, spec
from lwm_trainer.parallel.mlp_tiling import tiled

ROWS, LENGTH, WIDTH, INNER = 4, 512, 16, 512
MESH = make_mesh(Mesh(fsdp=2, sp=2, tp=2))
COLLECTIVE = re.compile(r" (all-gather|all-to-all|collective-permute|reduce-scatter|all-reduce)\(")


def mlp(matrices: Any, x_BTD: Array) -> Array:
    up, down = matrices
    out: Array = jnp.tanh(x_BTD @ up) @ down
    return out


def total(matrices: Any, x_BTD: Array, tile: int | None) -> tuple[Array, Array]:
    token_wise = whole_row if tile is None else tiled(MESH, RING_AXES, tile)
    out = jax.lax.with_sharding_constraint(token_wise(mlp, matrices, x_BTD), NamedSharding(MESH, STREAM))
    return jnp.square(out - 1).sum(), out


def arguments() -> tuple[Any, Array]:
    """Where the trainer's lie."""
    random = np.random.default_rng(0)

    def array(where: P, *shape: int) -> Array:
        values = random.standard_normal(shape, np.float32) / np.float32(shape[0] ** 0.5)
        placed: Array = jax.device_put(values, NamedSharding(MESH, where))
        return placed

    matrices = array(spec(("embed", "mlp")), WIDTH, INNER), array(spec(("mlp", "embed")), INNER, WIDTH)
    return matrices, array(STREAM, ROWS, LENGTH, WIDTH)


@cache
def compiled(tile: int | None) -> Any:
    def gradients(matrices: Any, x_BTD: Array) -> Any:
        return jax.value_and_grad(partial(total, tile=tile), argnums=(0, 1), has_aux=True)(matrices, x_BTD)

    matrices, x_BTD = arguments()
    at = jax.tree.map(lambda x: x.sharding, (matrices, x_BTD))
    whole = NamedSharding(MESH, P())
    return jax.jit(gradients, out_shardings=((whole, at[1]), at)).lower(matrices, x_BTD).compile()


@pytest.mark.parametrize("tile", [2, 64, LENGTH])
def test_tiles_give_the_same_values_and_gradients(tile: int) -> None:
    for gradient, expected in zip(*(jax.tree.leaves(compiled(each)(*arguments())) for each in (tile, None)), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5 * float(np.abs(expected).max()))


def test_tiles_add_no_collective_and_none_but_the_sums_over_tp_stands_in_their_loops() -> None:
    of_tiles, of_all = (compiled(tile).as_text() for tile in (64, None))
    assert Counter(COLLECTIVE.findall(of_tiles)) <= Counter(COLLECTIVE.findall(of_all))
    bodies = re.findall(r"body=%([\w.\-]+)", of_tiles)
    assert len(bodies) == 2
    for body in bodies:
        inside = of_tiles.split(f"\n%{body} (")[1].split("\n}")[0]
        shapes = [line for line in inside.splitlines() if COLLECTIVE.search(line)]
        own_tile = f"f32[{ROWS // 2},{64 // 2},{WIDTH}]"
        assert all(" all-reduce(" in line and line.split(" = ")[1].startswith(own_tile) for line in shapes), shapes


def test_the_inner_values_of_one_tile_only_are_alive() -> None:
    own_inner = ROWS // 2 * LENGTH // 2 * INNER // 2 * 4
    assert compiled(None).memory_analysis().temp_size_in_bytes > own_inner
    assert compiled(16).memory_analysis().temp_size_in_bytes < own_inner
