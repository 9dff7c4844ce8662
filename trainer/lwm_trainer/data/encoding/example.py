"""An example, the parts it is encoded from, and the flat arrays that many examples make."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.data.drawn_epochs import EVERY_EPOCH
from lwm_trainer.data.encoding.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Example:
    """One document: the token ids that a record became. Arrays are [length]."""

    tokens: NDArray[np.int32]
    loss_mask: NDArray[np.bool_] | None
    """True where the token counts as a target of the loss; None: every token but the first counts."""
    vision_mask: NDArray[np.bool_] | None
    """True where the token belongs to the vision vocabulary; None: no token does."""
    epochs: int = EVERY_EPOCH
    """The set of epochs in which the record is this example, see `drawn_epochs`."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of an example: text still to be tokenized, or token ids."""

    content: str | NDArray[np.int32]
    in_loss: bool
    """Whether the tokens count as targets of the loss."""
    vision: bool = False
    """Whether the tokens belong to the vision vocabulary."""


@dataclass(frozen=True, slots=True)
class RenderedText:
    """An example as one text, in which special tokens have their internal names (see `special_tokens`)."""

    content: str
    answers: tuple[tuple[int, int], ...]
    """Spans of characters, begin and end (exclusive), in order: a token counts in the loss if it stands for any of them."""


def token_part(token_id: int, *, in_loss: bool) -> TextPart:
    """A part that is one token of the text vocabulary."""
    return TextPart(np.array([token_id], np.int32), in_loss)


def encode_parts(examples: Sequence[Sequence[TextPart]], tokenizer: Tokenizer) -> Iterator[Example]:
    """Encode each sequence of parts as one example. All texts go to the tokenizer in one call, and each is tokenized by itself."""
    tokenized = iter(tokenizer.tokenize([part.content for parts in examples for part in parts if isinstance(part.content, str)]))
    for parts in examples:
        tokens = [next(tokenized) if isinstance(part.content, str) else part.content for part in parts]
        lengths = [len(ids) for ids in tokens]
        loss_mask = np.repeat([part.in_loss for part in parts], lengths)
        vision_mask = np.repeat([part.vision for part in parts], lengths)
        yield Example(np.concatenate(tokens), None if loss_mask[1:].all() else loss_mask, vision_mask if vision_mask.any() else None)


def encode_rendered(texts: Sequence[RenderedText], tokenizer: Tokenizer) -> Iterator[Example]:
    """Encode each text as one example, tokenized as a whole; its tokens are all that it has."""
    for text, (tokens, offsets) in zip(texts, tokenizer.tokenize_with_offsets([text.content for text in texts]), strict=True):
        loss_mask = np.zeros(len(tokens), np.bool_)
        for begin, end in text.answers:
            loss_mask |= (offsets[:, 0] < end) & (offsets[:, 1] > begin)
        yield Example(tokens, None if loss_mask[1:].all() else loss_mask, None)


def explicit_loss_mask(example: Example) -> NDArray[np.bool_]:
    """The loss mask with its default filled in, bool [length]."""
    return example.loss_mask if example.loss_mask is not None else np.arange(len(example.tokens)) > 0


def example_epochs(examples: Sequence[Example]) -> NDArray[np.uint8] | None:
    """The set of epochs of each example, uint8 [examples]; None when all are used in every epoch."""
    epochs = np.array([example.epochs for example in examples], np.uint8)
    return None if (epochs == EVERY_EPOCH).all() else epochs


def document_offsets(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Where each example begins in the flat arrays below, and the end of the last: int64 [examples + 1]."""
    return np.concatenate([[0], np.cumsum([len(example.tokens) for example in examples])]).astype(np.int64)


def concatenate_tokens(examples: Sequence[Example]) -> NDArray[np.int32]:
    """The token ids of all examples, int32 [all tokens]."""
    return np.concatenate([np.zeros(0, np.int32), *(example.tokens for example in examples)]).astype(np.int32)


def concatenate_loss_masks(examples: Sequence[Example]) -> NDArray[np.bool_] | None:
    """The loss masks of all examples, bool [all tokens]; None when every example has the default mask."""
    if all(example.loss_mask is None for example in examples):
        return None
    return np.concatenate([explicit_loss_mask(example) for example in examples])


def concatenate_vision_masks(examples: Sequence[Example]) -> NDArray[np.bool_] | None:
    """The vision masks of all examples, bool [all tokens]; None when no token belongs to the vision vocabulary."""
    if all(example.vision_mask is None for example in examples):
        return None
    masks = (np.zeros(len(each.tokens), np.bool_) if each.vision_mask is None else each.vision_mask for each in examples)
    return np.concatenate(list(masks))
