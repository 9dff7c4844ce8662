"""How much is measured: the whole, or a sample of two minutes."""

from typing import NamedTuple


class Sizes(NamedTuple):
    lengths: tuple[int, ...]
    """Tokens of a row in the contests."""
    longest: tuple[int, ...]
    """One round where that is all that fits."""
    dense: tuple[tuple[int, str], ...]
    """Tokens and documents of a row against attention that holds all scores: beyond 8192 they are gigabytes."""
    budget: float
    """Seconds of a contest, if its least number of rounds fits into them."""
    most: int
    """Rounds of a contest."""
    sweep: tuple[int, ...]
    """The peer's block sizes."""
    sweep_at: int
    compiled: tuple[int, ...]
    """Tokens of a row where memory is asked for."""
    documents_of: int
    """Tokens of the row that is cut into documents of one length."""
    step_lengths: tuple[int, ...]
    """Tokens of a row of the training step: the largest that the dense one's memory allows."""
    step_width: int
    counted: int
    """Tokens of the row whose work is counted."""
    counted_rings: tuple[int, ...]
    """Ranks of the rings that it is counted for."""


FULL = Sizes(
    lengths=(4096, 8192, 16384),
    longest=(32768,),
    dense=((4096, "causal"), (4096, "packed16"), (8192, "causal")),
    budget=20.0,
    most=9,
    sweep=(128, 256, 512, 1024),
    sweep_at=8192,
    compiled=(4096, 8192, 16384, 32768, 65536),
    documents_of=16384,
    step_lengths=(4096, 8192, 16384, 32768),
    step_width=128,
    counted=2**20,
    counted_rings=(8, 16, 64),
)

QUICK = Sizes(
    lengths=(2048, 4096),
    longest=(),
    dense=((2048, "causal"),),
    budget=3.0,
    most=5,
    sweep=(128, 256),
    sweep_at=2048,
    compiled=(2048, 4096, 8192),
    documents_of=4096,
    step_lengths=(2048,),
    step_width=128,
    counted=2**17,
    counted_rings=(8,),
)
