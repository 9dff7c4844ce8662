"""An example: the tokens that a record became."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Example:
    """One document: what a record became. Arrays are [length]."""

    tokens: NDArray[np.int32]
    loss: NDArray[np.bool_] | None
    """The token counts as a target; None: all but the first do."""
    vision: NDArray[np.bool_] | None
    """The token is of the vision vocabulary; None: none is."""
