"""Random numbers that depend on nothing but their name: the same on any machine, host count and numpy release."""

import numpy as np
from numpy.typing import NDArray


def random_keys(count: int, *name: int) -> NDArray[np.uint64]:
    """`count` random 64-bit numbers for the `name`, such as (seed, stage, epoch). Raw bits, because only these are stable across numpy."""
    return np.random.Philox(np.random.SeedSequence(list(name))).random_raw(count)


def permutation(count: int, *name: int) -> NDArray[np.int64]:
    """A permutation of 0 to count - 1 for the `name`."""
    return np.argsort(random_keys(count, *name), kind="stable")
