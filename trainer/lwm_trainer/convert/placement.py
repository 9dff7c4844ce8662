"""Parameters onto a mesh, read slice by slice: a host reads and holds what its own devices hold, never the whole."""

import math
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from lwm_trainer import config
from lwm_trainer.convert.names import Leaf, leaves
from lwm_trainer.convert.transposed import transposed_into
from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh

Index = tuple[slice, ...]
"""Of one layer of a parameter, in our axes; starts and stops are numbers."""


class Source(Protocol):
    def read(self, leaf: Leaf, layer: int, index: Index) -> np.ndarray[Any, Any]:
        """This part of this layer of a parameter, in our axes and in the dtype of the file."""


def load(model: config.Model, source: Source, device_mesh: jax.sharding.Mesh, dtype: str, tell: Callable[[int], None]) -> llama.Params:
    """All parameters as global arrays of `dtype` where training has them; `tell` hears of the bytes of every slice."""
    shardings = jax.tree.leaves(mesh.shardings(device_mesh, llama.logical_axes(model)))
    arrays = [_place(leaf, source, sharding, jnp.dtype(dtype), tell) for leaf, sharding in zip(leaves(model), shardings, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(llama.abstract(model)), arrays)  # type: ignore[no-any-return]


def conversion_mesh(model: config.Model) -> jax.sharding.Mesh:
    """All devices, parameters cut along width as far as that divides."""
    devices = len(jax.devices())
    parts = math.gcd(devices, model.width)
    return mesh.make_mesh(config.Mesh(dp=devices // parts, fsdp=parts))


def _place(leaf: Leaf, source: Source, sharding: Any, dtype: Any, tell: Callable[[int], None]) -> jax.Array:
    def part(index: Any) -> np.ndarray[Any, Any]:
        whole = tuple(slice(*each.indices(size)[:2]) for each, size in zip(index, leaf.stacked_shape, strict=True))
        inner = whole if leaf.layers is None else whole[1:]
        layers = range(1) if leaf.layers is None else range(whole[0].start, whole[0].stop)
        filled = np.empty([each.stop - each.start for each in (slice(0, len(layers)), *inner)], dtype)
        for place, layer in enumerate(layers):
            one = source.read(leaf, layer, inner)
            transposed_into(filled[place], one)
            tell(one.nbytes)
        return filled[0] if leaf.layers is None else filled

    return jax.make_array_from_callback(leaf.stacked_shape, sharding, part)


class Progress:
    """Says on stderr how far a conversion is, about once a second."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._begun = self._told = time.monotonic()

    def __call__(self, size: int) -> None:
        self._done += size
        if time.monotonic() - self._told >= 1:
            self.say()

    def say(self) -> None:
        self._told = time.monotonic()
        rate = self._done / max(self._told - self._begun, 1e-3) / 1e9
        print(f"{self._what}: {self._done / 1e9:.3f} of {self._total / 1e9:.3f} GB, {rate:.2f} GB/s", file=sys.stderr, flush=True)
