"""Skipping of steps whose gradient is a spike.

The rule reads global scalars alone, so that all devices decide alike, and a resumed run as the first.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from lwm_trainer import config

Tree = Any


class SpikeState(NamedTuple):
    inner: Tree
    """State of the optimizer."""
    mean_norm: Array
    """float32, the running mean of the gradient's norm."""
    averaged: Array
    """int32, the number of steps in that mean, at most the window."""
    skipped: Array
    """int32, 1 where the last step was skipped."""


def skip_spikes(inner: optax.GradientTransformation, rule: config.SkipSpikes) -> optax.GradientTransformation:
    """Leave parameters and state of `inner` as they are in a step whose gradient norm is above `rule.factor` times its running mean.

    The mean is over all steps until there are `rule.window` of them, and then exponential with weight 1 / window for the newest. A skipped
    step counts as `factor` times the mean. So a spike does not hide the next one, and a norm that stays high ends the skipping.

    A norm that is not finite is no spike: the step is applied, so that the training is seen to diverge.
    """

    def init(params: Tree) -> SpikeState:
        return SpikeState(inner.init(params), jnp.zeros([], jnp.float32), jnp.zeros([], jnp.int32), jnp.zeros([], jnp.int32))

    def update(gradients: Tree, state: SpikeState, params: Tree = None) -> tuple[Tree, SpikeState]:
        norm = optax.tree.norm(gradients)
        highest = rule.factor * state.mean_norm
        skipped = (state.averaged == rule.window) & (norm > highest) & jnp.isfinite(norm)
        averaged = jnp.minimum(state.averaged + 1, rule.window)
        mean_norm = state.mean_norm + (jnp.where(skipped, highest, norm) - state.mean_norm) / averaged
        updates, new = inner.update(gradients, state.inner, params)
        # Of the two zeros, adding -0 changes the bits of no parameter.
        updates = jax.tree.map(lambda update: jnp.where(skipped, jnp.asarray(-0.0, update.dtype), update), updates)
        kept = jax.tree.map(lambda new, old: jnp.where(skipped, old, new), new, state.inner)
        return updates, SpikeState(kept, mean_norm, averaged, skipped.astype(jnp.int32))

    return optax.GradientTransformation(init, update)
