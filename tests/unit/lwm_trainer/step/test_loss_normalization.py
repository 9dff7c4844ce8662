"""What sums of weighted losses are divided by."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from lwm_trainer.config import Loss
from lwm_trainer.step.loss import LossSums
from lwm_trainer.step.loss_normalization import MeanLosses, Modality, denominators, mean_losses

TEXT, VISION = np.array([[0.5, 0.5, 0, 1, 0, 0]], np.float32), np.array([[0, 0, 2, 0, 0, 0]], np.float32)
INDEX, START = np.arange(6)[None], np.array([[0, 0, 0, 3, 4, 6]])
"""Three examples: of two modalities, of text, and without a target; then padding."""
SUMS: dict[Modality, LossSums] = {"text": LossSums(jnp.float32(6), jnp.float32(4)), "vision": LossSums(jnp.float32(12), jnp.float32(10))}


def normalized(vision: Any = VISION, **loss: Any) -> MeanLosses:
    weights: dict[Modality, Any] = {"text": jnp.array(TEXT), "vision": jnp.array(vision)}
    wanted = Loss(**loss)
    return mean_losses(wanted, SUMS, denominators(wanted, weights, jnp.array(INDEX), jnp.array(START)))


HALVES, OTHERS = {"text": 0.5, "vision": 0.5}, {"text": 1.0, "vision": 3.0}


@pytest.mark.parametrize(
    ("loss", "objective", "cross_entropy"),
    [
        ({}, 18 / 4, 14 / 4),
        ({"missing_modality": "count"}, 18 / 4, 14 / 4),
        ({"weighting": "examples"}, 18 / 4, 14 / 4),
        ({"weighting": "examples", "missing_modality": "count"}, 18 / 3, 14 / 3),
        ({"modalities": HALVES}, 0.5 * 6 / 2 + 0.5 * 12 / 2, 0.5 * 4 / 2 + 0.5 * 10 / 2),
        ({"modalities": OTHERS, "missing_modality": "count"}, 6 / 2 + 3 * 12 / 2, 4 / 2 + 3 * 10 / 2),
        ({"modalities": OTHERS, "weighting": "examples", "missing_modality": "count"}, 6 / 3 + 3 * 12 / 3, 4 / 3 + 3 * 10 / 3),
    ],
)
def test_each_way_of_weighing(loss: dict[str, Any], objective: float, cross_entropy: float) -> None:
    losses = normalized(**loss)
    assert float(losses.objective) == pytest.approx(objective)
    assert float(losses.cross_entropy) == pytest.approx(cross_entropy)
    assert {modality: float(mean) for modality, mean in losses.by_modality.items()} == {"text": 2.0, "vision": 5.0}


@pytest.mark.parametrize("loss", [{}, {"modalities": HALVES}, {"modalities": HALVES, "weighting": "examples", "missing_modality": "count"}])
def test_a_batch_without_a_modality_has_a_loss_but_no_mean_of_that(loss: dict[str, Any]) -> None:
    losses = normalized(np.zeros_like(VISION), **loss)
    assert math.isfinite(float(losses.objective))
    assert float(losses.by_modality["text"]) == 2.0
    assert math.isnan(float(losses.by_modality["vision"]))
