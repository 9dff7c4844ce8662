"""From sums over a part of the rows to the means that a step minimises and shows. What is divided by belongs to the whole batch, so that
neither the mesh nor accumulation changes the result.

Letters: B rows of the global batch, T tokens of a row.
"""

from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from lwm_trainer import config
from lwm_trainer.step.loss import Losses

Modality = Literal["text", "vision"]


class Means(NamedTuple):
    """Float32 scalars; those of all parts add up to those of the batch."""

    minimised: Array
    cross_entropy: Array
    """Of what is minimised, without the z-loss."""
    by_modality: dict[Modality, Array]
    """The mean cross-entropy in nats of each modality's weighted targets; NaN where the batch has none."""


class Normalisers(NamedTuple):
    """Of the whole batch, float32 scalars by modality."""

    minimised: dict[Modality, Array]
    """What sums are divided by in what is minimised, at least one."""
    weights: dict[Modality, Array]
    """Sums of the weights."""


def normalisers(loss: config.Loss, weight_BT: dict[Modality, Array], index_BT: Array, start_BT: Array) -> Normalisers:
    """For the batch whose targets weigh `weight_BT` for each modality, zero for those of the other.

    Where examples weigh alike, the weights of an example's targets add up to one, so that their sum counts the examples that have any;
    those without are counted by `missing_modality`. Padding is no example: nowhere does it start.
    """
    sums = {modality: weights.sum() for modality, weights in weight_BT.items()}
    whole = dict(sums)
    if loss.modalities is None:
        whole = dict.fromkeys(sums, sum(sums.values(), start=jnp.zeros((), jnp.float32)))
    if loss.weighting == "examples" and loss.missing_modality == "count":
        whole = dict.fromkeys(sums, (index_BT == start_BT).sum(dtype=jnp.float32))
    return Normalisers({modality: jnp.maximum(each, 1.0) for modality, each in whole.items()}, sums)


def means(loss: config.Loss, sums: dict[Modality, Losses], by: Normalisers) -> Means:
    """Of the sums over a part of the batch."""
    zero = jnp.zeros((), jnp.float32)
    minimised, entropy, shown = zero, zero, {}
    for modality, found in sums.items():
        share = 1.0 if loss.modalities is None else getattr(loss.modalities, modality)
        minimised += share * found.minimised / by.minimised[modality]
        entropy += share * found.cross_entropy / by.minimised[modality]
        weight = by.weights[modality]
        shown[modality] = jnp.where(weight > 0, found.cross_entropy / weight, jnp.nan)
    return Means(minimised, entropy, shown)
