"""Flat arrays of examples: masks that are left out stand for their defaults."""

import numpy as np

from lwm_trainer.data.encoding.example import (
    Example,
    concatenate_loss_masks,
    concatenate_tokens,
    concatenate_vision_masks,
    document_offsets,
    explicit_loss_mask,
)

PLAIN = Example(np.array([1, 2, 3], np.int32), None, None)
MASKED = Example(np.array([4, 5], np.int32), np.array([False, False]), np.array([True, False]))


def test_without_a_mask_every_token_but_the_first_counts_and_none_is_vision() -> None:
    assert explicit_loss_mask(PLAIN).tolist() == [False, True, True]
    assert concatenate_loss_masks([PLAIN, PLAIN]) is None
    assert concatenate_vision_masks([PLAIN, PLAIN]) is None


def test_one_mask_makes_all_explicit() -> None:
    loss_mask, vision_mask = concatenate_loss_masks([PLAIN, MASKED]), concatenate_vision_masks([PLAIN, MASKED])
    assert loss_mask is not None
    assert vision_mask is not None
    assert loss_mask.tolist() == [False, True, True, False, False]
    assert vision_mask.tolist() == [False, False, False, True, False]


def test_tokens_and_offsets_of_many_and_of_none() -> None:
    assert concatenate_tokens([PLAIN, MASKED]).tolist() == [1, 2, 3, 4, 5]
    assert document_offsets([PLAIN, MASKED]).tolist() == [0, 3, 5]
    assert (concatenate_tokens([]).tolist(), document_offsets([]).tolist()) == ([], [0])
