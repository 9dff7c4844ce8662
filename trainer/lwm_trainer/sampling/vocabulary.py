"""What the tokens of a model mean: its tokenizer, the tags and frames of vision, and the grammar that follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lwm_trainer import config
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.encoding.vision import CLOSING, OPENING, frame_tokens, vision_tags
from lwm_trainer.sampling.grammar import Grammar
from lwm_trainer.sampling.prompt import TokenRow, join, text_row, vision_row
from lwm_trainer.sampling.settings import SettingsError


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Both vocabularies of a model."""

    tokenizer: Tokenizer
    grammar: Grammar

    @property
    def end_id(self) -> int:
        """The token that ends a document and an answer."""
        return self.tokenizer.end_id

    def encode(self, text: str) -> TokenRow:
        """The tokens of a text, without those that begin and end a document. Raises SettingsError for half a surrogate pair."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise SettingsError(f"prompt: letter {error.start} is half of a surrogate pair: write the whole character") from error
        if self.tokenizer.holds_internal_name(text):
            raise SettingsError("prompt: holds U+FDD0, a number and U+FDD1, which stands for a special token: leave it out")
        return text_row(self.tokenizer.tokenize([text])[0])

    def begin(self) -> TokenRow:
        """The token that begins a document."""
        return text_row([self.tokenizer.begin_id])

    def opening(self) -> TokenRow:
        """`<vision>`."""
        return text_row(self.grammar.opening)

    def frames(self, codes: Sequence[Sequence[int]]) -> TokenRow:
        """Frames that more frames follow: the codes of each, and end of frame."""
        return join(*(vision_row([*frame, self.grammar.codes]) for frame in codes))

    def span(self, codes: Sequence[Sequence[int]]) -> TokenRow:
        """A whole vision span of these frames, one or more: tags, codes, end of each frame but the last, and end of vision."""
        layout = config.Frames(tokens_per_frame=self.grammar.frame, codebook_size=self.grammar.codes)
        tokens = frame_tokens([code for frame in codes for code in frame], layout)
        return join(self.opening(), vision_row(tokens), text_row(self.grammar.closing))

    def prompt(self, text: str, shown: Sequence[Sequence[Sequence[int]]] = (), opened: Sequence[Sequence[int]] | None = None) -> TokenRow:
        """A document's begin, whole spans, text, and a span that the answer goes on with.

        Args:
            shown: the frames of each picture or clip before the text.
            opened: frames after the text that the answer continues; empty: it begins with a frame. None: no span is open.

        Raises SettingsError, see `encode`.
        """
        rest = [] if opened is None else [self.opening(), self.frames(opened)]
        return join(self.begin(), *(self.span(frames) for frames in shown), self.encode(text), *rest)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens of the text vocabulary; special tokens are left out."""
        return self.tokenizer.decode(ids)


def make_vocabulary(model: config.Model, tokenizer: Tokenizer, frames: config.Frames) -> Vocabulary:
    """The vocabulary of a model. Raises SettingsError where the vision vocabulary has no room for the codes and ends of `frames`."""
    written = np.zeros(model.vocab_size, np.bool_)
    written[: tokenizer.vocabulary_size] = True
    written[[token for token in (tokenizer.begin_id, tokenizer.special_ids.get(CLOSING)) if token not in (None, tokenizer.end_id)]] = False
    if model.vision is None:
        return Vocabulary(tokenizer, Grammar(model.vocab_size, written, (), (), 0, 0, 0))
    needed = frames.codebook_size + 2
    if needed > model.vision.vocab_size:
        size = model.vision.vocab_size
        raise SettingsError(
            f"codebook_size: {frames.codebook_size} codes, end of frame and end of vision are {needed} tokens, but model.vision.vocabSize "
            f"is {size}: give {size - 2} or less"
        )
    opening, closing = (_pieces(tokenizer, tag, text) for tag, text in zip(vision_tags(tokenizer), (OPENING, CLOSING), strict=True))
    grammar = Grammar(
        text_size=model.vocab_size,
        written=written,
        opening=opening,
        closing=closing,
        codes=frames.codebook_size,
        frame=frames.tokens_per_frame,
        vision_size=model.vision.vocab_size,
    )
    return Vocabulary(tokenizer, grammar)


def _pieces(tokenizer: Tokenizer, tag: object, text: str) -> tuple[int, ...]:
    """A tag's tokens: it is one of its own, or text that is tokenized by itself, as in training."""
    return tuple(tokenizer.tokenize([text])[0].tolist()) if isinstance(tag, str) else (tokenizer.special_ids[text],)
