"""What each target weighs in the loss, before the step divides by what the whole batch weighs.

LWM's code gives every example a padded row of its own, averages the loss over the row's targets of each modality, then over rows. The
same on packed rows, by section 3.3 of the paper (arXiv 2402.08268): a target weighs one over the number of its example's targets of
its modality. An example here is a piece: what stands in a row and sees itself only.
"""

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import Loss


def weights_of(
    loss: Loss, counted: NDArray[np.bool_], vision: NDArray[np.bool_], sizes: NDArray[np.int64]
) -> NDArray[np.float32] | NDArray[np.bool_]:
    """The weights of the targets of one row's pieces, which are `sizes` tokens long; [sum of sizes].

    Args:
        counted: whether the place has a target that counts.
        vision: whether the target is of the vision vocabulary: counted apart only where the modalities are averaged apart.
    """
    if loss.weighting == "tokens":
        return counted
    group = np.repeat(np.arange(len(sizes)), sizes)
    if loss.modalities is not None:
        group = 2 * group + vision
    numbers = np.bincount(group, weights=counted)
    return (counted / np.maximum(numbers, 1)[group]).astype(np.float32)
