"""The record of a stage: for every step since it began, the bits of loss and gradient norm and the hash of its tokens.

It is an item of every checkpoint, so the curve of record is atomic with the parameters and each step stands in it once, whatever was
killed and run again.
"""

import hashlib
from typing import Self

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.uint32]]
"""loss_bits, grad_norm_bits (float32 seen as uint32), tokens_hash: each uint32[steps], zero beyond the last step done."""

NAMES = ("loss_bits", "grad_norm_bits", "tokens_hash")


class Record:
    """Filled step by step, saved and restored as plain arrays."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays

    @classmethod
    def empty(cls, steps: int) -> Self:
        return cls({name: np.zeros(steps, np.uint32) for name in NAMES})

    def add(self, step: int, loss: float, grad_norm: float, tokens_hash: int) -> None:
        """Enter step `step` (from 0)."""
        self.arrays["loss_bits"][step] = np.float32(loss).view(np.uint32)
        self.arrays["grad_norm_bits"][step] = np.float32(grad_norm).view(np.uint32)
        self.arrays["tokens_hash"][step] = tokens_hash

    def copy(self) -> Arrays:
        """What a save may keep while later steps are entered."""
        return {name: self.arrays[name].copy() for name in NAMES}

    @property
    def losses(self) -> NDArray[np.float32]:
        return self.arrays["loss_bits"].view(np.float32)

    def hash(self) -> str:
        """SHA-256 of all arrays in the order of NAMES, little-endian."""
        return hashlib.sha256(b"".join(self.arrays[name].astype("<u4").tobytes() for name in NAMES)).hexdigest()
