"""The MLP in tiles is the MLP."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from lwm_trainer.model.tiles import tiled

WIDTH, INNER, LENGTH = 8, 12, 16


def mlp(weights: Any, x_BTD: Array) -> Array:
    up, down = weights
    return jnp.tanh(x_BTD @ up) @ down


def example() -> tuple[Any, Array]:
    random = np.random.default_rng(0)
    up, down, x = (random.standard_normal(shape, np.float32) for shape in ((WIDTH, INNER), (INNER, WIDTH), (2, LENGTH, WIDTH)))
    return (jnp.array(up), jnp.array(down)), jnp.array(x)


@pytest.mark.parametrize("tile", [1, 4, LENGTH, None])
def test_tiles_give_the_same_values_and_gradients(tile: int | None) -> None:
    weights, x = example()

    def total(weights: Any, x: Array, tile: int | None) -> tuple[Array, Array]:
        out = tiled(partial(mlp, weights), x, tile)
        return jnp.square(out - 1).sum(), out

    find = jax.value_and_grad(total, argnums=(0, 1), has_aux=True)
    for found, expected in zip(jax.tree.leaves(find(weights, x, tile)), jax.tree.leaves(find(weights, x, None)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_the_inner_values_of_one_tile_only_are_alive() -> None:
    weights, x = example()
    long = jnp.tile(x, (1, 256, 1))

    def memory(tile: int | None) -> int:
        gradient = jax.grad(lambda weights: tiled(partial(mlp, weights), long, tile).sum())
        return int(jax.jit(gradient).lower(weights).compile().memory_analysis().temp_size_in_bytes)

    inner = long.shape[0] * long.shape[1] * INNER * 4
    assert memory(None) > inner > memory(64) - 3 * long.nbytes
