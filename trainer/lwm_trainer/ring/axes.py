"""The names of the mesh axes that attention knows."""

from typing import NamedTuple


class Axes(NamedTuple):
    """Which mesh axes shard rows, tokens and heads."""

    rows: tuple[str, ...]
    ring: str
    """Tokens, outer part: keys travel along it."""
    ulysses: str
    """Tokens, inner part: traded for heads during attention."""
    heads: str

    @property
    def tokens(self) -> tuple[str, str]:
        """The axes that shard the tokens of a row, outermost first."""
        return self.ring, self.ulysses
