"""Examples one after the other in flat arrays, of which those that say nothing are left out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.data.encoding.example import Example


def joined_tokens(examples: Sequence[Example]) -> NDArray[np.int32]:
    """[all tokens]"""
    return np.concatenate([np.zeros(0, np.int32), *(example.tokens for example in examples)]).astype(np.int32)


def joined_loss(examples: Sequence[Example]) -> NDArray[np.bool_] | None:
    """[all tokens], or None where of every example all but the first token count."""
    if all(example.loss is None for example in examples):
        return None
    return np.concatenate([counted(example) for example in examples])


def counted(example: Example) -> NDArray[np.bool_]:
    """[length]: the token counts as a target."""
    return example.loss if example.loss is not None else np.arange(len(example.tokens)) > 0


def joined_vision(examples: Sequence[Example]) -> NDArray[np.bool_] | None:
    """[all tokens], or None where no token is of the vision vocabulary."""
    if all(example.vision is None for example in examples):
        return None
    return np.concatenate([np.zeros(len(each.tokens), np.bool_) if each.vision is None else each.vision for each in examples])
