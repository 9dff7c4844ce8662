"""What a refusal says of a tensor with values that no training recovers from."""

from typing import Any

import numpy as np


def describe_not_finite(place: str, values: np.ndarray[Any, Any], dtype: Any, copy: str) -> str:
    """The message for a tensor that has NaN or infinite values as `dtype`: their numbers, and the fix.

    Args:
        place: the file or folder, and the tensor.
        values: the whole tensor in the dtype of its checkpoint.
        copy: how the user gets the checkpoint again.
    """
    with np.errstate(over="ignore"):
        stored = values.astype(dtype)
    count = f"{place}: of {values.size} values, {np.isnan(stored).sum()} are NaN and {np.isinf(stored).sum()} infinite"
    if np.isfinite(values).all():
        return f"{count} as {dtype}: convert with --dtype float32"
    return f"{count}: the model was saved after its training diverged, or was damaged: take an earlier checkpoint, or {copy} it again"
