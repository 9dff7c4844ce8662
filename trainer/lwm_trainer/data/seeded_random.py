"""Random numbers that are a function of their key alone: the same on any machine, host count and NumPy release."""

import numpy as np
from numpy.typing import NDArray


def random_keys(count: int, *key: int) -> NDArray[np.uint64]:
    """Draw `count` random 64-bit numbers, uint64 [count], from a key such as (seed, stage, epoch).

    The numbers are the raw output of the Philox generator: NumPy keeps only raw bits stable across its releases. Zeros at the end of a key
    do not count: (1, 2) and (1, 2, 0) are one key.
    """
    return np.random.Philox(np.random.SeedSequence(list(key))).random_raw(count)


def permutation(count: int, *key: int) -> NDArray[np.int64]:
    """Draw a permutation of 0 to count - 1, int64 [count], from the key."""
    return np.argsort(random_keys(count, *key), kind="stable")
