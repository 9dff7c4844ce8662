"""Which row of the cache a prompt takes, so that several conversations stay in it side by side."""

from collections.abc import Sequence
from typing import NamedTuple

from lwm_trainer.sampling.prompt import TokenRow, common_length

WORTH_COPYING = 32
"""Tokens that a copy of another row must spare."""
FROM_SESSIONS = -1
"""The source of a place whose beginning lies in host memory."""


class Place(NamedTuple):
    """Where a prompt goes."""

    row: int
    source: int
    """The row that it begins as: its own, or another one, whose tokens are copied; or FROM_SESSIONS."""
    length: int
    """Tokens that it begins with and that need not be computed."""
    wave: int
    """0: what it begins with is in the cache. Otherwise it waits for a prompt of the wave before, of which it copies tokens."""


def reusable_length(content: TokenRow, prompt: TokenRow) -> int:
    """Tokens that both begin with; at least the prompt's last token is left to compute, because its scores are needed."""
    return min(common_length(content, prompt), prompt.length - 1)


def place_prompts(
    contents: Sequence[TokenRow], free: Sequence[int], prompts: Sequence[TokenRow], worth: int = WORTH_COPYING
) -> list[Place]:
    """A free row for each prompt.

    A prompt continues the free row that holds most of it, if it has half of what that row holds. Where it only begins alike, or where the
    row that holds most of it answers another request, it gets a copy in the free row that was used longest ago, and that row is kept.

    Args:
        contents: what every row holds; of one that answers a request, the prompt.
        free: the rows that answer no request, those used longest ago first.
        worth: tokens that another row must hold more of the prompt to be preferred.

    Raises ValueError where there are fewer free rows than prompts.
    """
    if len(prompts) > len(free):
        raise ValueError(f"{len(prompts)} prompts need as many rows, but {len(free)} are free")
    held, left = list(contents), list(free)
    waves: dict[int, int] = {}
    places = []
    for prompt in prompts:
        lengths = [reusable_length(content, prompt) for content in held]
        most = max(lengths)
        continued = [row for row in left if 2 * lengths[row] >= held[row].length and most - lengths[row] < worth]
        row = max(continued, key=lambda row: lengths[row]) if continued else left[0]
        near = [number for number, length in enumerate(lengths) if most - length < worth]
        # Of rows that hold about as much, one that need not be waited for.
        source = row if row in near else min(near, key=lambda number: (waves.get(number, -1), -lengths[number]))
        wave = waves[source] + 1 if source in waves else 0
        places.append(Place(row, source, lengths[source], wave))
        held[row], waves[row] = prompt, wave
        left.remove(row)
    return places
