"""Which rank of the ring holds which tokens of a row.

The permutation is applied to tokens when the batch is built, never to activations: the model and the ring only ever see each rank's
tokens in ascending order of their place in the row.
"""

import numpy as np
from numpy.typing import NDArray


def zigzag(length: int, ring_size: int) -> NDArray[np.int32]:
    """The places, in the order in which the ranks hold them: rank r has chunk r and chunk 2 * ring_size - 1 - r of equal chunks.

    Under a causal mask late chunks cost more than early ones; paired like this, every rank has the same work (the layout of
    llama3's context parallelism and of zigzag ring attention). Returns int32[length]; rank r holds entries
    [r * length / ring_size, (r + 1) * length / ring_size), ascending within the rank.

    Raises ValueError when 2 * ring_size does not divide length.
    """
    if length % (2 * ring_size):
        raise ValueError(f"length {length} is not a multiple of 2 x ring size = {2 * ring_size}")
    chunks = np.arange(length, dtype=np.int32).reshape(2 * ring_size, -1)
    order = [chunk for rank in range(ring_size) for chunk in (rank, 2 * ring_size - 1 - rank)]
    return chunks[order].reshape(-1)
