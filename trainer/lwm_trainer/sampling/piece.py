"""The tokens of an answer as they are drawn: what each of them adds to the text, and whether the answer ends with it."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from lwm_trainer.data.encoding.vision import OPENING
from lwm_trainer.sampling.detokenizer import Detokenizer
from lwm_trainer.sampling.prompt import TokenRow, join
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.vocabulary import Vocabulary

Reason = Literal["stop", "length"]
"""Why an answer ended: a stop id, a stop text or the end of its only vision span; or its most tokens."""


class Piece(NamedTuple):
    """One token of an answer."""

    request: int
    """Number of the request."""
    token: int
    vision: bool
    text: str
    """The text that became certain with this token. It may lag behind the tokens, and is empty for vision."""
    log_probability: float
    top: list[tuple[int, bool, float]]
    """The most probable tokens in its place: token, whether it is of the vision vocabulary, log-probability."""
    reason: Reason | None
    """Why the answer ends with this token; None where it goes on."""
    stopped_by_text: bool
    """Whether a stop text ended it, so that tokens of that text are among the answer's."""


class Usage(NamedTuple):
    """Tokens of a request's prompt."""

    prompt: int
    cached: int
    """Those that the cache held already."""


class DrawnToken(NamedTuple):
    """What the devices say of one token; the fields are those of `step.Drawn`."""

    token: int
    vision: bool
    ended: bool
    closing: bool
    log_probability: float


@dataclass(slots=True)
class AnswerUnderWay:
    """An answer that gets a token at a time."""

    number: int
    """The request's number."""
    request: Request
    detokenizer: Detokenizer
    tokens: list[tuple[int, bool]] = field(default_factory=list)
    in_span: bool = False
    """Whether the last token belongs to a vision span."""
    ended: bool = False
    begun_steps: int = 0
    """Steps that the devices were told to make, each of which draws a token at least."""

    @property
    def goes_on(self) -> bool:
        """Whether it may need a step that the devices were not told to make yet."""
        return not self.ended and self.begun_steps < self.request.settings.max_tokens

    def read(self, drawn: DrawnToken, top: list[tuple[int, bool, float]]) -> Piece:
        """The next token, as text."""
        settings = self.request.settings
        self.tokens.append((drawn.token, drawn.vision))
        stops = not drawn.vision and drawn.token in settings.stop_ids
        text = "" if drawn.vision or stops or drawn.closing else self.detokenizer.add(drawn.token)
        if drawn.vision and not self.in_span:
            text = self.detokenizer.open_span()
        self.in_span = drawn.vision
        stopped = self.detokenizer.stopped
        self.ended = drawn.ended or stopped
        if self.ended:
            text += self.detokenizer.finish()
            stopped = self.detokenizer.stopped
        complete = stops or stopped or (settings.only_vision and drawn.closing)
        reason: Reason | None = None if not self.ended else "stop" if complete else "length"
        return Piece(self.number, drawn.token, drawn.vision, text, drawn.log_probability, top, reason, stopped)

    def fed(self) -> TokenRow:
        """The prompt and the tokens that the model has read: the last one has not been fed to it."""
        read = self.tokens[:-1]
        row = TokenRow(np.array([token for token, _ in read], np.int32), np.array([vision for _, vision in read], np.bool_))
        return join(self.request.prompt, row)


def begin_answer(number: int, request: Request, vocabulary: Vocabulary) -> AnswerUnderWay:
    """An answer without tokens."""
    opening = OPENING if vocabulary.grammar.opening else ""
    return AnswerUnderWay(number, request, Detokenizer(vocabulary.decode, request.settings.stop, opening))
