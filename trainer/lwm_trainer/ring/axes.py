"""The mesh axes that attention uses."""

from typing import NamedTuple


class Axes(NamedTuple):
    """The names of the mesh axes that shard rows, tokens and heads."""

    rows: tuple[str, ...]
    ring: str
    """Outer axis of the tokens: keys and values travel along it."""
    ulysses: str
    """Inner axis of the tokens: exchanged for heads during attention."""
    heads: str

    @property
    def tokens(self) -> tuple[str, str]:
        """The axes that shard the tokens of a row, outermost first."""
        return self.ring, self.ulysses
