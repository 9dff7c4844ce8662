"""Weights of targets: by tokens, or by examples with or without modalities apart."""

import numpy as np

from lwm_trainer.config import Loss
from lwm_trainer.data.rows.loss_weights import loss_weights

MASK = np.array([True, True, False, True, True, True])
VISION = np.array([True, False, False, False, False, False])
LENGTHS = np.array([3, 2, 1])


def test_tokens_weigh_alike() -> None:
    assert loss_weights(Loss(), MASK, VISION, LENGTHS).tolist() == MASK.tolist()


def test_the_targets_of_an_example_share_a_weight_of_one() -> None:
    weights = loss_weights(Loss.model_validate({"weighting": "examples"}), MASK, VISION, LENGTHS)
    assert weights.tolist() == [0.5, 0.5, 0, 0.5, 0.5, 1]


def test_each_modality_of_an_example_shares_a_weight_of_one_where_modalities_are_averaged_apart() -> None:
    weights = loss_weights(Loss.model_validate({"weighting": "examples", "modalities": {}}), MASK, VISION, LENGTHS)
    assert weights.tolist() == [1, 1, 0, 0.5, 0.5, 1]
