"""Rematerialization: which named values a layer saves for its backward pass. All others are recomputed."""

from collections.abc import Callable
from typing import Any

import jax

from lwm_trainer.config import Remat

STREAM = "stream"
"""Name of a layer's input."""
QUERY, KEY, VALUE = "query", "key", "value"
"""Names of queries, keys and values, after rotary embedding."""
JOINED = "joined"
"""Name of attention's output after its projection."""
GATE, UP = "gate", "up"
"""Names of the MLP's inner products, where it does not run in tiles."""

Layer = Callable[[jax.Array, Any], tuple[jax.Array, None]]
"""One step of the scan over layers: (stream, parameters) -> (stream, None)."""


def rematerialized(layer: Layer, remat: Remat, attention: tuple[str, ...]) -> Layer:
    """A layer with the same results and gradients that saves what `remat` says, see `config.Memory.remat`.

    Args:
        layer: names its values by `checkpoint_name`. A rematerialized layer always saves its arguments.
        attention: names of the values that attention needs, so that it is not run again in the backward pass.
    """
    policies = jax.checkpoint_policies
    policy = {
        "none": _save_all_but_gathered,
        "products": policies.save_only_these_names(QUERY, KEY, VALUE, JOINED, GATE, UP, *attention),
        "qkv": policies.save_only_these_names(QUERY, KEY, VALUE, *attention),
        "attention": policies.save_only_these_names(*attention),
        "full": policies.nothing_saveable,
        # The input is named, so that its copy on the host replaces the argument, which is then not read any more.
        "offload": policies.save_and_offload_only_these_names(
            names_which_can_be_saved=[],
            names_which_can_be_offloaded=[STREAM, *attention],
            offload_src="device",
            offload_dst="pinned_host",
        ),
    }[remat]
    # The body of a scan needs no protection against common subexpression elimination.
    return jax.checkpoint(layer, policy=policy, prevent_cse=False)


def _save_all_but_gathered(primitive: Any, *_: Any, **parameters: Any) -> bool:
    """Parameters that are gathered from other devices are gathered again: saved, they would be the whole model's on each device.

    Float32 copies of values in other dtypes are made again, too: of such parameters, and of activations, for which it takes no work.
    """
    if primitive is jax.lax.convert_element_type_p:
        return bool(parameters["new_dtype"] != jax.numpy.float32)
    return primitive is not jax.lax.all_gather_p
