"""How much is measured: the whole, or a sample of two minutes."""

from typing import NamedTuple


class Sizes(NamedTuple):
    lengths: tuple[int, ...]
    """Tokens of a row of the training step."""
    losses: tuple[tuple[int, int], ...]
    """Tokens and vocabulary of the loss."""
    converted_layers: int
    """Layers of the checkpoint that is converted."""
    budget: float
    """Seconds of a contest, if its least number of rounds fits into them."""


FULL = Sizes(lengths=(1024, 4096), losses=((2048, 2048), (2048, 32_000), (8192, 32_000), (2048, 128_256)), converted_layers=8, budget=20.0)
QUICK = Sizes(lengths=(1024,), losses=((2048, 2048), (1024, 32_000)), converted_layers=1, budget=3.0)
