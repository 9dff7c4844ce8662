"""Which steps are skipped, and that a skipped one leaves every bit as it was."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lwm_trainer.config import SkipSpikes
from lwm_trainer.step.spike_skipping import SpikeState, skip_spikes

RULE = SkipSpikes(factor=3.0, window=2)
PARAMS = {"w": np.array([-0.0, 2.0], np.float32)}


@pytest.fixture(scope="module")
def step() -> Any:
    optimizer = skip_spikes(optax.adamw(0.1), RULE)

    @jax.jit
    def compiled(params: Any, state: SpikeState, norm: Any) -> Any:
        updates, state = optimizer.update({"w": jnp.stack([0 * norm, norm])}, state, params)
        return optax.apply_updates(params, updates), state

    return compiled


def after(step: Any, norms: list[float]) -> tuple[Any, SpikeState, list[int]]:
    """Parameters and state behind steps of these gradient norms, and which were skipped."""
    params: Any = PARAMS
    state = skip_spikes(optax.adamw(0.1), RULE).init(params)
    skipped = []
    for norm in norms:
        params, state = step(params, state, jnp.float32(norm))
        skipped.append(int(state.skipped))
    return params, state, skipped


def bits(tree: Any) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def test_a_step_far_above_the_mean_is_skipped_once_the_window_is_full(step: Any) -> None:
    assert after(step, [1.0, 9.0, 1.0, 16.0, 1.0])[2] == [0, 0, 0, 1, 0]  # the mean is 1, 5, 3, and 5 times 3 / 2


def test_a_skipped_step_changes_no_bit_of_parameters_and_optimizer(step: Any) -> None:
    params, state, _ = after(step, [1.0, 1.0])
    same, skipped, _ = after(step, [1.0, 1.0, 100.0])
    assert bits(same) == bits(params)
    assert bits(skipped.inner) == bits(state.inner)
    assert np.signbit(PARAMS["w"][0])
    optimizer = skip_spikes(optax.sgd(0.1), RULE)
    kept = optimizer.init(PARAMS)._replace(averaged=jnp.int32(2), mean_norm=jnp.float32(1.0))
    updates, _ = optimizer.update({"w": jnp.float32([9.0, 9.0])}, kept, PARAMS)
    assert bits(optax.apply_updates(PARAMS, updates)) == bits(PARAMS)


def test_a_norm_that_stays_high_ends_the_skipping(step: Any) -> None:
    skipped = after(step, [1.0, 1.0, *[20.0] * 8])[2]
    assert skipped[2] == 1
    assert skipped[-1] == 0


def test_a_norm_that_is_not_a_number_is_applied_so_that_the_divergence_is_seen(step: Any) -> None:
    params, _, skipped = after(step, [1.0, 1.0, float("nan")])
    assert skipped[-1] == 0
    assert np.isnan(params["w"][1])
