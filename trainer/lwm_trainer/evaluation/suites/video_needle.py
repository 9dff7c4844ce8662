"""`video-needle`: one frame of a long film shows a colored shape, and the question is which.

The task is that of V-NIAH (Zhang et al. 2024, LongVA, arXiv 2406.16852) with drawn needles, on the codes of a vision tokenizer: the film is
encoded once, and the needle is a frame among its frames.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.evaluation.suite import Key, Question, SuiteError, Tokenize, Tokens, Way, depth_keys, prompt_room, seeded
from lwm_trainer.evaluation.suites.shape_pictures import COLORS, FORMS, SHAPES, Shape

Codes = Sequence[int]
"""The codes of a frame."""
HEAD = "You are a helpful assistant. USER: "
TAIL = " One frame of this film shows a colored shape on a plain ground. Which color and which shape? ASSISTANT: It is a"


class Span(Protocol):
    """Frames as the tokens of a vision span, int32[n], and which of them are of the vision vocabulary, bool[n]."""

    def __call__(self, frames: Sequence[Codes], /) -> tuple[Tokens, NDArray[np.bool_]]: ...


@dataclass(frozen=True, kw_only=True)
class VideoNeedleSettings:
    """What is asked."""

    lengths: tuple[int, ...]
    depths: tuple[float, ...]
    """Shares of the film before the needle, 0 to 1."""
    rounds: int = 1
    """Parts of the film, and shapes, of each length."""
    film: tuple[str, ...] = ()
    """Where the film comes from, for the name of the run."""
    clip_rate: float | None = None
    """Frames of a second that are taken of a clip; None: all."""
    vision_tokenizer: str = ""
    """The fingerprint of what made the codes, for the name of the run."""
    seed: int = 0


class VideoNeedleSuite:
    """Asks for the shape in one frame. The guess is a random one of the shapes."""

    name = "video-needle"
    version = 1
    ways: tuple[Way, ...] = ("generated", "forced", "likeliest")
    answer_tokens = 16
    stop = (".", "\n")

    def __init__(
        self,
        settings: VideoNeedleSettings,
        film: Callable[[], Iterator[Codes]],
        encode: Callable[[Shape], Codes],
        span: Span,
        tokenize: Tokenize,
    ) -> None:
        """Make the suite.

        Args:
            film: the frames of the film from its beginning. Where it ends too early, it begins again; then a question's `film_frames` says
                how many it has.
            encode: the codes of a shape's picture.
        """
        self._settings, self._encode, self._span, self._tokenize = settings, encode, span, tokenize
        self._source = self._repeat(film)
        self._film: list[Codes] = []
        self._film_frames: int | None = None
        """Frames of the film, once its end was reached."""

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def question_keys(self) -> list[Key]:
        return depth_keys(self._settings.lengths, self._settings.depths, self._settings.rounds)

    def question(self, key: Key) -> Question:
        head, tail = self._tokenize(HEAD), self._tokenize(TAIL)
        count = self._frame_count(prompt_room(key.length, self.answer_tokens) - len(head) - len(tail), key.length)
        assert key.depth is not None  # noqa: S101 - `question_keys` gives every key a depth
        shape = seeded(self.name, self._settings.seed, *key).choice(SHAPES)
        frames = self._frames(key.number * count, count - 1)
        place = round(key.depth * len(frames))
        used = key.number * count + len(frames)
        repeated = self._film_frames if self._film_frames is not None and used > self._film_frames else None
        tokens, vision = self._span([*frames[:place], self._encode(shape), *frames[place:]])
        text = np.zeros(len(head), np.bool_), np.zeros(len(tail), np.bool_)
        return Question(
            prompt=np.concatenate([head, tokens, tail]),
            vision=np.concatenate([text[0], vision, text[1]]),
            expected=tuple(shape),
            chance=1 / len(SHAPES),
            reference=f" {shape}",
            choices=tuple(f" {each}" for each in SHAPES),
            details={"frames": count, "needle_frame": place, "film_frames": repeated},
        )

    def score(self, expected: Sequence[str], answer: str) -> float:
        """1 where the answer names the color and the shape, and no others."""
        return float({word for word in re.findall(r"[a-z]+", answer.lower()) if word in (*COLORS, *FORMS)} == set(expected))

    def _frame_count(self, room: int, length: int) -> int:
        """Frames that have room: a span of one more is longer by the tokens of a frame. Raises SuiteError for fewer than two."""
        shape = self._encode(SHAPES[0])
        one, two = (len(self._span([shape] * count)[0]) for count in (1, 2))
        count = 1 + (room - one) // (two - one)
        if count < 2:
            raise SuiteError(f"a length of {length} tokens has no room for two frames of {two - one}: use a longer one")
        return count

    def _frames(self, first: int, count: int) -> list[Codes]:
        while len(self._film) < first + count:
            self._film.append(next(self._source))
        return self._film[first : first + count]

    def _repeat(self, film: Callable[[], Iterator[Codes]]) -> Iterator[Codes]:
        while True:
            count = 0
            for count, codes in enumerate(film(), 1):  # noqa: B007 - its last value is the number of frames
                yield codes
            if not count:
                raise SuiteError("--film: has no frame: give a picture or a clip")
            self._film_frames = count
