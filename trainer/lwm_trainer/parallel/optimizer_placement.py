"""Where the optimizer's state lies on the mesh: beside the parameters that it belongs to."""

from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec

Tree = Any

SCALARS = 2**16
"""Most elements of an array that belongs to no parameter, such as a counter of each layer, and is on every device."""


def optimizer_shardings(state: Tree, params: Tree, shardings: Tree) -> Tree:
    """The `NamedSharding` of each array of an optimizer's state: a tree like `state`.

    An array whose path ends with that of a parameter is sharded like it; one that lacks one of the parameter's axes (Adafactor's factors)
    like the axes that it has; and one that stands for an absent array, or belongs to no parameter, is replicated.

    Args:
        state: arrays or their shapes.
        params: the parameters that the state was made for, or their shapes.
        shardings: theirs, a tree like `params`.

    Raises ValueError for an array whose place none of this says, so that nothing large is replicated by oversight.
    """
    parameters = {path: leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    placed = dict(jax.tree_util.tree_leaves_with_path(shardings))
    mesh = next(iter(placed.values())).mesh

    def place(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        owner = next((path[first:] for first in range(len(path)) if path[first:] in parameters), None)
        partition = _partition(leaf.shape, parameters[owner], placed[owner].spec) if owner is not None else None
        if partition is None and (leaf.size <= SCALARS if owner is None else leaf.shape[-1] == 1):
            partition = PartitionSpec()
        if partition is None:
            raise ValueError(
                f"optimizer state {jax.tree_util.keystr(path)} of shape {leaf.shape} has no place: add a rule to"
                " lwm_trainer.parallel.optimizer_placement"
            )
        return NamedSharding(mesh, partition)

    return jax.tree_util.tree_map_with_path(place, state)


def _partition(shape: tuple[int, ...], parameter: tuple[int, ...], spec: PartitionSpec) -> PartitionSpec | None:
    """The partition of an array with the parameter's shape, or with this shape less one axis; None for any other."""
    if shape == parameter:
        return spec
    axes = (*spec, *(None for _ in parameter[len(spec) :]))
    for axis in range(len(parameter)):
        if shape == (*parameter[:axis], *parameter[axis + 1 :]):
            return PartitionSpec(*axes[:axis], *axes[axis + 1 :])
    return None
