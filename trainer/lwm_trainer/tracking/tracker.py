"""What a tracker is to the trainer: a curve with a last step, to which points are added in their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The numbers of one committed step."""

    step: int
    """Steps done in this stage, this one included."""
    finished_at: float
    """Unix time; 0: unknown."""
    scalars: Mapping[str, float]
    """Finite numbers by name, such as `train/loss`."""


class Tracker(Protocol):
    """One curve in one tracker. All methods are called from one thread, and may raise anything: then the curve is resumed again."""

    name: str
    """The tracker's field in `spec.trackers`."""

    def resume(self) -> int:
        """Open the curve. Returns the last step that it has and keeps; 0: none."""

    def write(self, points: Sequence[Point]) -> None:
        """Add the points, which follow the last step. When this returns, the tracker has them."""

    def close(self) -> None:
        """End the curve for this attempt."""
