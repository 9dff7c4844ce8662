"""From the loader's rows to global arrays on the mesh; each host builds only what its devices hold."""

from functools import cache
from typing import Any, cast

import jax
import numpy as np
from jax.sharding import NamedSharding
from numpy.typing import NDArray

from lwm_trainer import config
from lwm_trainer.data.loader import Batches
from lwm_trainer.ring.layout import zigzag
from lwm_trainer.step import Batch

NAMES = tuple(Batch.__annotations__)


def abstract_batch(run: config.RunConfig, sharding: NamedSharding) -> Batch:
    """Shapes and dtypes of a global batch, for compiling ahead of time."""
    shape = (run.rows, run.context_length)
    arrays = {name: jax.ShapeDtypeStruct(shape, np.float32 if name == "weights" else np.int32, sharding=sharding) for name in NAMES}
    return cast("Batch", arrays)


class Feed:
    """The global batch of any step on the line of record; columns in the ring's order."""

    def __init__(self, run: config.RunConfig, batches: Batches, sharding: NamedSharding) -> None:
        self._shape = (run.rows, run.context_length)
        self._batches, self._sharding = batches, sharding
        self._batch_of = run.start.batch_of
        self._order = zigzag(run.context_length, run.mesh.ring)

    def batch(self, step: int) -> Batch:
        """The batch with which step `step` (from 0) is computed: its own, or a later one after a rollback."""
        number = self._batch_of(step)

        @cache
        def rows(first: int, last: int) -> dict[str, NDArray[Any]]:
            return self._batches.rows(number, range(first, last))

        def part(name: str, index: Any) -> NDArray[Any]:
            first, last, _ = index[0].indices(self._shape[0])
            return rows(first, last)[name][:, self._order[index[1]]]

        def array(name: str) -> jax.Array:
            return jax.make_array_from_callback(self._shape, self._sharding, lambda index: part(name, index))

        return cast("Batch", {name: array(name) for name in NAMES})
