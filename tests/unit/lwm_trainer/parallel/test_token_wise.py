"""Functions of single tokens on each device are those of all tokens, and what travels for them is as small as it can be."""

import re
from collections import Counter
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import Array
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from lwm_trainer.config import Mesh
from lwm_trainer.model.modules import AXES, whole_row
from lwm_trainer.parallel.mesh import RING_AXES, STREAM, make_mesh, spec
from lwm_trainer.parallel.token_wise import by_device

ROWS, LENGTH, WIDTH, INNER = 4, 512, 16, 512
MESH = make_mesh(Mesh(fsdp=2, sp=2, tp=2))
COLLECTIVE = re.compile(r" (all-gather|all-to-all|collective-permute|reduce-scatter|all-reduce)\(")


PLACES = {"up": ("embed", "mlp"), "down": ("mlp", "embed")}


def mlp(matrices: dict[str, Array], x_BTD: Array) -> Array:
    out: Array = jnp.tanh(x_BTD @ matrices["up"]) @ matrices["down"]
    return out


def parameters(matrices: dict[str, Array]) -> dict[str, nnx.Param[Array]]:
    metadata: dict[str, Any] = {name: {AXES: axes} for name, axes in PLACES.items()}
    return {name: nnx.Param(matrix, **metadata[name]) for name, matrix in matrices.items()}


def total(matrices: dict[str, Array], x_BTD: Array, tile: int | None) -> tuple[Array, Array]:
    """`tile` 0: not by device, all tokens at once."""
    apply = whole_row if tile == 0 else by_device(MESH, RING_AXES, tile)
    out = apply(mlp, parameters(matrices), x_BTD, in_tiles=True)
    return jnp.square(out - 1).sum(), jax.lax.with_sharding_constraint(out, NamedSharding(MESH, STREAM))


def arguments() -> tuple[Any, Array]:
    """Where the trainer's lie."""
    random = np.random.default_rng(0)

    def array(where: P, *shape: int) -> Array:
        values = random.standard_normal(shape, np.float32) / np.float32(shape[0] ** 0.5)
        placed: Array = jax.device_put(values, NamedSharding(MESH, where))
        return placed

    matrices = {"up": array(spec(PLACES["up"]), WIDTH, INNER), "down": array(spec(PLACES["down"]), INNER, WIDTH)}
    return matrices, array(STREAM, ROWS, LENGTH, WIDTH)


@cache
def compiled(tile: int | None) -> Any:
    def gradients(matrices: Any, x_BTD: Array) -> Any:
        return jax.value_and_grad(partial(total, tile=tile), argnums=(0, 1), has_aux=True)(matrices, x_BTD)

    matrices, x_BTD = arguments()
    at = jax.tree.map(lambda x: x.sharding, (matrices, x_BTD))
    whole = NamedSharding(MESH, P())
    return jax.jit(gradients, out_shardings=((whole, at[1]), at)).lower(matrices, x_BTD).compile()


@pytest.mark.parametrize("tile", [None, 2, 64, LENGTH])
def test_devices_and_tiles_give_the_values_and_gradients_of_the_whole(tile: int | None) -> None:
    for gradient, expected in zip(*(jax.tree.leaves(compiled(each)(*arguments())) for each in (tile, 0)), strict=True):
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


@pytest.mark.parametrize("tile", [None, 64])
def test_no_program_for_cpus_scatters_a_sum_by_gloo_which_gets_it_wrong_now_and_then(tile: int | None) -> None:
    collectives = Counter(COLLECTIVE.findall(compiled(tile).as_text()))
    assert "reduce-scatter" not in collectives
    assert collectives["all-to-all"] > 0, "it exchanges the parts instead"


@pytest.mark.parametrize("tile", [None, 64])
def test_gradients_of_a_bfloat16_computation_are_summed_over_the_devices_in_float32(tile: int | None) -> None:
    """What each of four devices contributes, bfloat16 holds; their sum, it does not."""
    share = 2.0**-9
    one_token_each = np.zeros((ROWS, LENGTH, 1), np.float32)
    one_token_each[:: ROWS // 2, :: LENGTH // 2] = share
    one_token_each[0, 0] = 1
    x_BTD = jnp.asarray(np.broadcast_to(one_token_each, (ROWS, LENGTH, WIDTH)), jnp.bfloat16)

    def product(matrices: dict[str, Array], x_BTD: Array) -> Array:
        out: Array = x_BTD @ matrices["up"] @ matrices["down"]
        return out

    def loss(up: Array) -> Array:
        out: Array = by_device(MESH, RING_AXES, tile)(product, parameters({"up": up, "down": identity}), x_BTD, in_tiles=True)
        return out.astype(jnp.float32).sum()

    identity = jnp.eye(WIDTH, dtype=jnp.float32)
    gradient = jax.jit(jax.grad(loss))(jax.device_put(jnp.zeros((WIDTH, WIDTH)), NamedSharding(MESH, spec(PLACES["up"]))))
    np.testing.assert_array_equal(gradient, 1 + 3 * share)


def test_the_inner_values_of_one_tile_only_are_alive() -> None:
    own_inner = ROWS // 2 * LENGTH // 2 * INNER // 2 * 4
    assert compiled(None).memory_analysis().temp_size_in_bytes > own_inner
    assert compiled(16).memory_analysis().temp_size_in_bytes < own_inner
