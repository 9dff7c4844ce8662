"""Normalization of the loss: from sums over some rows to the means that a step minimizes and reports.

The denominators belong to the whole global batch, so neither the mesh nor gradient accumulation changes the result: the means of all
microbatches add up to those of the batch.

Letters: B rows of the global batch, T tokens of a row.
"""

from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from lwm_trainer import config
from lwm_trainer.step.loss import LossSums

Modality = Literal["text", "vision"]


class MeanLosses(NamedTuple):
    """Float32 scalars. Those of all microbatches add up to those of the batch."""

    objective: Array
    """What the step minimizes, with the z-loss."""
    cross_entropy: Array
    """The objective without the z-loss."""
    by_modality: dict[Modality, Array]
    """The mean cross-entropy in nats of each modality's weighted targets; NaN where the batch has none."""


class Denominators(NamedTuple):
    """What sums are divided by, from the whole batch: float32 scalars by modality."""

    objective: dict[Modality, Array]
    """Denominators of the objective, at least one."""
    weights: dict[Modality, Array]
    """Sums of the weights, for the mean of each modality."""


def denominators(loss: config.Loss, weight_BT: dict[Modality, Array], index_BT: Array, start_BT: Array) -> Denominators:
    """The denominators for a batch whose targets weigh `weight_BT` in each modality, zero where they belong to the other.

    Where examples weigh alike, the weights of an example's targets add up to one, so their sum counts the examples that have any target;
    with `missingModality: count`, examples without one are counted too. Padding starts nowhere, so it is not an example.
    """
    sums = {modality: weights.sum() for modality, weights in weight_BT.items()}
    objective = dict(sums)
    if loss.modalities is None:
        objective = dict.fromkeys(sums, sum(sums.values(), start=jnp.zeros((), jnp.float32)))
    if loss.weighting == "examples" and loss.missing_modality == "count":
        objective = dict.fromkeys(sums, (index_BT == start_BT).sum(dtype=jnp.float32))
    return Denominators({modality: jnp.maximum(value, 1.0) for modality, value in objective.items()}, sums)


def mean_losses(loss: config.Loss, sums: dict[Modality, LossSums], by: Denominators) -> MeanLosses:
    """The sums over some rows of the batch, divided by the denominators of the whole batch and weighted by modality."""
    zero = jnp.zeros((), jnp.float32)
    objective, cross_entropy, by_modality = zero, zero, {}
    for modality, part in sums.items():
        share = 1.0 if loss.modalities is None else getattr(loss.modalities, modality)
        objective += share * part.objective / by.objective[modality]
        cross_entropy += share * part.cross_entropy / by.objective[modality]
        weight = by.weights[modality]
        by_modality[modality] = jnp.where(weight > 0, part.cross_entropy / weight, jnp.nan)
    return MeanLosses(objective, cross_entropy, by_modality)
