"""What a layer keeps for its backward pass, by name; all else is computed again."""

from collections.abc import Callable
from typing import Any

import jax

from lwm_trainer.config import Remat

STREAM = "stream"
"""The layer's input."""
QUERY, KEY, VALUE = "query", "key", "value"
"""Behind the rotation."""

Layer = Callable[[jax.Array, Any], tuple[jax.Array, None]]
"""One step of the scan over layers: (stream, parameters) -> (stream, None)."""


def rematerialised(layer: Layer, remat: Remat, attention: tuple[str, ...]) -> Layer:
    """The layer with the same results and gradients, that keeps what `config.Memory.remat` says.

    Args:
        layer: names its values by `checkpoint_name`; whatever is named, a rematerialised layer keeps its arguments.
        attention: the names under which attention keeps what saves it from running again.
    """
    if remat == "none":
        return layer
    policies = jax.checkpoint_policies
    policy = {
        "qkv": policies.save_only_these_names(QUERY, KEY, VALUE, *attention),
        "attention": policies.save_only_these_names(*attention),
        "full": policies.nothing_saveable,
        # The input is named so that its copy on the host takes the place of the argument, which nothing then reads.
        "offload": policies.save_and_offload_only_these_names(
            names_which_can_be_saved=[],
            names_which_can_be_offloaded=[STREAM, *attention],
            offload_src="device",
            offload_dst="pinned_host",
        ),
    }[remat]
    return jax.checkpoint(layer, policy=policy, prevent_cse=False)  # a scan's body needs no guard against common subexpressions
