"""The weight of each target in the loss, before the step divides by the weight of the whole batch.

LWM's code pads every example to a row of its own, averages the loss over the row's targets of each modality, and then over rows. Section
3.3 of the paper (Liu et al. 2024, arXiv 2402.08268) defines the same for packed rows: a target weighs one over the number of its
example's targets of its modality. An example here is a segment: a range of a row that attends only to itself.
"""

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import Loss


def loss_weights(
    loss: Loss, loss_mask: NDArray[np.bool_], vision_mask: NDArray[np.bool_], lengths: NDArray[np.int64]
) -> NDArray[np.float32] | NDArray[np.bool_]:
    """The weights of the targets of one row, [tokens].

    Args:
        loss_mask: [tokens], true where the target counts.
        vision_mask: [tokens], true where the target belongs to the vision vocabulary. Only matters when modalities are averaged apart.
        lengths: tokens of each of the row's segments; they sum to [tokens].
    """
    if loss.weighting == "tokens":
        return loss_mask
    group = np.repeat(np.arange(len(lengths)), lengths)
    if loss.modalities is not None:
        group = 2 * group + vision_mask
    targets_in_group = np.bincount(group, weights=loss_mask)
    return (loss_mask / np.maximum(targets_in_group, 1)[group]).astype(np.float32)
