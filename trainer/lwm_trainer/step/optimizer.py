"""The optimizer of a stage: what optax has, joined as the run config says, and the learning rate by step.

Layers are stacked along a leading axis, and optax would take them for one array. Adafactor and Muon look at whole matrices, so both see the
layers one by one.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import contrib

from lwm_trainer import config
from lwm_trainer.step.spike_skipping import skip_spikes

Tree = Any

MUON_RMS = 0.2
"""Root mean square of Muon's updates at learning rate 1, about AdamW's (Liu et al. 2025, arXiv 2502.16982, section 2.2)."""

ADAFACTOR_CLIP = 1.0
"""Root mean square to which Adafactor's updates are clipped (Shazeer and Stern 2018, arXiv 1804.04235, section 6)."""

ADAFACTOR_SMALLEST = 128
"""Smallest axis over which the second moment is factored: that of optax and T5X."""

MATRICES = {
    "query": contrib.MuonDimensionNumbers(0, (1, 2)),
    "key": contrib.MuonDimensionNumbers(0, (1, 2)),
    "value": contrib.MuonDimensionNumbers(0, (1, 2)),
    "output": contrib.MuonDimensionNumbers((0, 1), 2),
    "gate": contrib.MuonDimensionNumbers(0, 1),
    "up": contrib.MuonDimensionNumbers(0, 1),
    "down": contrib.MuonDimensionNumbers(0, 1),
}
"""Input and output axes of the matrices of a layer, by name."""

KINDS = {"norm": "norms", "embedding": "embeddings", "head": "heads"}
"""Kind of a parameter, by the end of a key of its path. Those of no kind are matrices of the layers."""


def learning_rate_schedule(optimizer: config.Optimizer, steps: int) -> optax.Schedule:
    """Learning rate by step: from peak / (warmup + 1) up to the peak, and from there as `schedule` says until the last step."""
    warmup = min(optimizer.warmup_steps, steps - 1)
    peak, rest = optimizer.peak_learning_rate, max(1, steps - 1 - warmup)
    match optimizer.schedule:
        case "cosine":
            after = optax.cosine_decay_schedule(peak, rest, alpha=optimizer.final_fraction)
        case "constant":
            after = optax.constant_schedule(peak)
        case "wsd":
            decay = min(optimizer.effective_decay_steps(steps), rest)
            after = optax.linear_schedule(peak, peak * optimizer.final_fraction, decay, rest - decay)
    if warmup == 0:
        return after
    return optax.join_schedules([optax.linear_schedule(peak / (warmup + 1), peak, warmup), after], [warmup])


def make_optimizer(optimizer: config.Optimizer, steps: int, moments: config.NumberType = "float32") -> optax.GradientTransformation:
    """The optimizer of a stage of `steps` steps, whose first moment is stored as `moments`, with clipping and skipping of spikes."""

    def decays(params: Tree) -> Tree:
        return jax.tree_util.tree_map_with_path(lambda path, _: _kind(path) not in optimizer.weight_decay_excludes, params)

    rate = learning_rate_schedule(optimizer, steps)
    if optimizer.name == "adamw":
        steepest = optax.adamw(
            rate,
            b1=optimizer.beta1,
            b2=optimizer.beta2,
            eps=optimizer.effective_epsilon,
            mu_dtype=moments,
            weight_decay=optimizer.weight_decay,
            mask=decays,
        )
    else:
        scaled = _adafactor(optimizer, moments) if optimizer.name == "adafactor" else _muon(optimizer, moments)
        steepest = optax.chain(scaled, optax.add_decayed_weights(optimizer.weight_decay, mask=decays), optax.scale_by_learning_rate(rate))
    whole = optax.chain(optax.clip_by_global_norm(optimizer.clip_norm), steepest)
    return whole if optimizer.skip_spikes is None else skip_spikes(whole, optimizer.skip_spikes)


def _adafactor(optimizer: config.Optimizer, moments: config.NumberType) -> optax.GradientTransformation:
    """Adafactor without relative step sizes, with momentum (Zhai et al. 2022, arXiv 2106.04560, appendix C)."""
    scaled = optax.chain(
        optax.scale_by_factored_rms(
            min_dim_size_to_factor=ADAFACTOR_SMALLEST,
            epsilon=optimizer.effective_epsilon,
            decay_rate_fn=lambda step, exponent: jnp.minimum(1 - (step + 1.0) ** -exponent, optimizer.beta2),
        ),
        optax.clip_by_block_rms(ADAFACTOR_CLIP),
    )
    parts = optax.partition(
        {"layers": each_layer(scaled), "ends": scaled},
        lambda params: {part: part for part in params},
    )
    if optimizer.beta1 == 0:
        return parts
    return optax.chain(parts, optax.ema(optimizer.beta1, debias=False, accumulator_dtype=moments))


def _muon(optimizer: config.Optimizer, moments: config.NumberType) -> optax.GradientTransformation:
    """Muon for the matrices of the layers, Adam for embeddings, heads and norms (Jordan et al. 2024, github.com/KellerJordan/Muon)."""

    def matrices(params: Tree) -> Tree:
        return jax.tree_util.tree_map_with_path(lambda path, _: MATRICES[path[-1].key], params)

    orthogonalized = optax.chain(
        contrib.scale_by_muon(
            beta=optimizer.effective_momentum,
            eps=optimizer.effective_epsilon,
            mu_dtype=moments,
            weight_dimension_numbers=matrices,
        ),
        optax.stateless(lambda updates, _: jax.tree.map(_scale_of_adamw, updates, matrices(updates))),
    )
    adam = optax.scale_by_adam(optimizer.beta1, optimizer.beta2, optimizer.effective_epsilon, mu_dtype=moments)

    def rules(params: Tree) -> Tree:
        return jax.tree_util.tree_map_with_path(lambda path, _: "adam" if path[-1].key not in MATRICES else "muon", params)

    return optax.partition({"muon": each_layer(orthogonalized), "adam": adam}, rules)


def _scale_of_adamw(update: jax.Array, matrix: contrib.MuonDimensionNumbers) -> jax.Array:
    """Scale an orthogonal matrix to a root mean square of MUON_RMS, whatever its shape."""
    inputs, outputs = (math.prod(update.shape[axis] for axis in np.atleast_1d(axes)) for axes in matrix)
    return MUON_RMS * math.sqrt(max(inputs, outputs)) * update


def each_layer(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """Apply `inner` to one layer after the other of parameters whose leading axis is that of the layers.

    Its state has that axis, too. At no time are the intermediate arrays of more than one layer in memory.
    """

    def update(updates: Tree, state: Tree, params: Tree = None) -> tuple[Tree, Tree]:
        layers: tuple[Tree, Tree] = jax.lax.map(lambda layer: inner.update(*layer), (updates, state, params))
        return layers

    return optax.GradientTransformation(jax.vmap(inner.init), update)


def _kind(path: tuple[Any, ...]) -> str | None:
    """The kind of a parameter in the words of `weightDecayExcludes`; None for a matrix of the layers."""
    names = [str(getattr(key, "key", key)) for key in path]
    return next((kind for name in names for end, kind in KINDS.items() if name.endswith(end)), None)
