"""Whether parameters that a training begins with are numbers: with NaN or infinity in them the first loss is NaN."""

from typing import Any

import jax
import jax.numpy as jnp

from lwm_trainer.model.llama import Params
from lwm_trainer.runtime.errors import CheckpointMismatchError


def require_finite(place: str, params: Params) -> None:
    """Look at every value, on the devices that hold it; each process calls this, and all raise the same.

    Raises CheckpointMismatchError, which names `place` and the first array with a value that is NaN or infinite.
    """
    for path, is_finite in jax.tree_util.tree_leaves_with_path(_are_finite(params)):
        if not is_finite:
            name = ".".join(str(key.key) for key in path)
            raise CheckpointMismatchError(
                f"{place}: {name} has values that are NaN or infinite: it was saved after its training diverged, or was damaged: name an"
                " earlier checkpoint, or copy it again"
            )


@jax.jit
def _are_finite(params: Params) -> Any:
    """For each array, whether all of its values are numbers: bool []."""
    return jax.tree.map(lambda array: jnp.isfinite(array).all(), params)
