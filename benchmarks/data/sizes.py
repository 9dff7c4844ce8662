"""How much is measured: the whole, or a sample of a minute."""

from typing import NamedTuple


class Sizes(NamedTuple):
    planned: int
    """Documents of the large plan."""
    packed: int
    """Documents that are packed beside grain."""
    batches: int
    """Batches of a turn of the loaders."""
    copies: int
    """Copies of the King James Bible, 4 MB each, that are prepared."""
    chats: int
    """Chats of 4 MB each in the shard whose memory is measured."""
    budget: float
    """Seconds of a contest, if its least number of rounds fits into them."""


FULL = Sizes(planned=1_000_000, packed=20_000, batches=16, copies=2, chats=32, budget=60.0)
QUICK = Sizes(planned=200_000, packed=4_000, batches=4, copies=1, chats=2, budget=5.0)
