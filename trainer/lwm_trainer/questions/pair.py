"""A question with its answer, and what writes them."""

from typing import NamedTuple, Protocol


class Pair(NamedTuple):
    """A question about a chunk, and its answer."""

    question: str
    answer: str
    quote: str | None = None
    """Words of the chunk that the question leans on, so that they must stand in the example once; None: none."""


class Generator(Protocol):
    """Writes pairs. It may be called by several threads."""

    def write(self, chunk: str) -> Pair | None:
        """A pair about the chunk, always the same one; None where it wrote none that can be read."""

    def doubts(self, chunk: str, pair: Pair) -> str | None:
        """The filter that the pair does not pass when the generator answers it itself; None where it passes or is not asked."""
