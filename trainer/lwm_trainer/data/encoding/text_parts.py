"""Parts of an example, and how they join."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.encoding.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text that is yet to be tokenised, or tokens."""

    content: str | NDArray[np.int32]
    loss: bool
    vision: bool = False


def token(number: int, *, loss: bool) -> TextPart:
    """A piece of one text token."""
    return TextPart(np.array([number], np.int32), loss)


def examples(made: Sequence[Sequence[TextPart]], tokenizer: Tokenizer) -> Iterator[Example]:
    """Each sequence of pieces as one example; the texts of all are tokenised at once, each by itself."""
    tokenised = iter(tokenizer.pieces([piece.content for pieces in made for piece in pieces if isinstance(piece.content, str)]))
    for pieces in made:
        tokens = [next(tokenised) if isinstance(piece.content, str) else piece.content for piece in pieces]
        lengths = [len(part) for part in tokens]
        loss = np.repeat([piece.loss for piece in pieces], lengths)
        vision = np.repeat([piece.vision for piece in pieces], lengths)
        yield Example(np.concatenate(tokens), None if loss[1:].all() else loss, vision if vision.any() else None)
