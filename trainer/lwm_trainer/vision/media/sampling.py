"""Which frames of a clip are taken: by rate, by count, or both."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True, slots=True)
class Sampling:
    """Both apply: first the rate, then the count."""

    frames_per_second: float | None = None
    """Frames of a second of a clip; None: all that it has."""
    max_frames: int | None = None
    """Maximum number: where there are more, this many are kept, evenly spaced; None: no limit."""


def choose(times: Sequence[Fraction], sampling: Sampling) -> list[int]:
    """The numbers of the frames to take, ascending.

    By rate, it is the frame that is shown at each moment k / rate after the first: one that stands for longer is taken several times.

    Args:
        times: seconds at which each frame is shown, ascending.
    """
    chosen = list(range(len(times)))
    if sampling.frames_per_second is not None and times:
        step = 1 / Fraction(sampling.frames_per_second).limit_denominator(1_000_000)
        count = (times[-1] - times[0]) // step + 1
        chosen = [bisect_right(times, times[0] + step * number) - 1 for number in range(count)]
    return [chosen[place] for place in choose_evenly(len(chosen), sampling.max_frames)]


def choose_evenly(count: int, max_count: int | None) -> list[int]:
    """All numbers from 0 to `count` - 1, or where these are more than `max_count`, this many, evenly spaced, with the first."""
    if max_count is None or count <= max_count:
        return list(range(count))
    places: list[int] = np.linspace(0, count - 1, max_count).astype(int).tolist()
    return places
