"""What a request asks of its answer: how tokens are drawn, where it ends, how many frames it has."""

import math
from dataclasses import dataclass, field

from lwm_trainer.config import ExitCode

MAX_SEED = 2**32 - 1
ANY_FRAMES = 2**31 - 1
"""The largest number of frames where there is no limit but the room for them."""


class SettingsError(ValueError):
    """A setting is wrong: names it, its value and what is possible."""

    code = ExitCode.BAD_ARGUMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """How the tokens of one modality are drawn. They apply in this order; all are off by default."""

    temperature: float = 1.0
    """Divides the scores. 0: the most probable token is taken."""
    top_k: int = 0
    """Only the k most probable tokens, and those equal to the k-th. 0: all."""
    top_p: float = 1.0
    """The fewest most probable tokens of the rest that have this probability together (Holtzman et al. 2019, arXiv 1904.09751)."""
    min_p: float = 0.0
    """Only tokens with at least this share of the largest probability (Nguyen et al. 2024, arXiv 2407.01082)."""

    def check(self, name: str) -> None:
        """Raises SettingsError; `name` is the modality."""
        _require(math.isfinite(self.temperature) and self.temperature >= 0, f"{name}.temperature", self.temperature, "0 or more")
        _require(self.top_k >= 0, f"{name}.top_k", self.top_k, "0 (all) or more")
        _require(0 < self.top_p <= 1, f"{name}.top_p", self.top_p, "a number above 0, at most 1")
        _require(0 <= self.min_p <= 1, f"{name}.min_p", self.min_p, "a number from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one answer."""

    max_tokens: int
    """Tokens of the answer, at most. Frames are never torn: one that would not fit is not begun."""
    text: Filters = field(default_factory=Filters)
    vision: Filters = field(default_factory=Filters)
    seed: int = 0
    """With a token's place in its row, it decides the draw, whatever else is in the batch."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer; they are not part of it."""
    stop_ids: tuple[int, ...] = ()
    """Tokens of the text vocabulary that end the answer. The same numbers are ordinary codes within a frame."""
    guidance: float = 1.0
    """Scale of classifier-free guidance in vision (Ho and Salimans 2022, arXiv 2207.12598). 1: none, and nothing is computed for it."""
    min_frames: int = 1
    """Frames of each vision span, at least."""
    max_frames: int = ANY_FRAMES
    """Frames of each vision span, at most."""
    may_show: bool = True
    """Whether the answer may open a vision span by itself."""
    only_vision: bool = False
    """Whether the answer ends with the first vision span."""

    def check(self) -> None:
        """Raises SettingsError."""
        _require(self.max_tokens >= 1, "max_tokens", self.max_tokens, "1 or more")
        self.text.check("text")
        self.vision.check("vision")
        _require(0 <= self.seed <= MAX_SEED, "seed", self.seed, f"0 to {MAX_SEED}")
        _require(all(self.stop), "stop", self.stop, "texts that are not empty")
        _require(math.isfinite(self.guidance) and self.guidance >= 0, "guidance", self.guidance, "0 or more")
        _require(self.min_frames >= 1, "min_frames", self.min_frames, "1 or more")
        _require(self.max_frames >= self.min_frames, "max_frames", self.max_frames, f"min_frames, {self.min_frames}, or more")


def _require(valid: bool, name: str, value: object, possible: str) -> None:
    if not valid:
        raise SettingsError(f"{name} is {value}: give {possible}")
