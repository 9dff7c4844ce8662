"""From the loader's rows to global arrays on the mesh; each host builds only what its devices hold."""

from functools import cache
from typing import Any, cast

import jax
import numpy as np
from jax.sharding import NamedSharding
from numpy.typing import NDArray

from lwm_trainer import config
from lwm_trainer.data.rows.loader import Batches
from lwm_trainer.ring.layout import plan
from lwm_trainer.step.train_step import Batch, batch_names


def abstract_batch(run: config.RunConfig, sharding: NamedSharding) -> Batch:
    """Shapes and dtypes of a global batch, for compiling ahead of time."""
    shape = (run.rows, run.context_length)
    arrays = {
        name: jax.ShapeDtypeStruct(shape, np.float32 if name == "weights" else np.int32, sharding=sharding)
        for name in batch_names(run.model)
    }
    return cast("Batch", arrays)


def orders(mesh: config.Mesh, start: NDArray[np.int32]) -> NDArray[np.int32]:
    """The places in the order in which the ring's ranks hold them, a layout of its own for each row of `start`, both int32[rows, S].

    The devices of a Ulysses group hold one rank's tokens in slices, so that the order by rank is theirs, too.
    """
    return np.stack([plan(row, mesh.ring) for row in start])


class Feed:
    """The global batch of any step on the line of record; the columns of each row in the order that is planned for it."""

    def __init__(self, run: config.RunConfig, batches: Batches, sharding: NamedSharding) -> None:
        self._shape = (run.rows, run.context_length)
        self._batches, self._sharding = batches, sharding
        self._batch_of = run.start.batch_of
        self._mesh, self._names = run.mesh, batch_names(run.model)

    def batch(self, step: int) -> Batch:
        """The batch with which step `step` (from 0) is computed: its own, or a later one after a rollback."""
        number = self._batch_of(step)

        @cache
        def rows(first: int, last: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.int32]]:
            built = self._batches.rows(number, range(first, last))
            return built, orders(self._mesh, built["start"])

        def part(name: str, index: Any) -> NDArray[Any]:
            first, last, _ = index[0].indices(self._shape[0])
            built, order = rows(first, last)
            return np.take_along_axis(built[name], order[:, index[1]], axis=1)

        def array(name: str) -> jax.Array:
            return jax.make_array_from_callback(self._shape, self._sharding, lambda index: part(name, index))

        return cast("Batch", {name: array(name) for name in self._names})
