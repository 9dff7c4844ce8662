"""Global arrays on the mesh from the loader's rows; each host builds only what its devices hold."""

from functools import cache
from typing import Any, cast

import jax
import numpy as np
from jax.sharding import NamedSharding
from numpy.typing import NDArray

from lwm_trainer import config
from lwm_trainer.data.rows.loader import Batches
from lwm_trainer.ring.layout import plan_layout
from lwm_trainer.step.batch import Batch, batch_names


def column_orders(mesh: config.Mesh, start: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each row, the places of its tokens in the order in which the ring's ranks hold them: int32[rows, tokens], as `start` is.

    Each row has a layout of its own. The devices of a Ulysses group hold slices of one rank's tokens, so the order by rank is theirs too.
    """
    return np.stack([plan_layout(row, mesh.ring) for row in start])


class GlobalBatches:
    """The global batch of any step on the line of record, with the columns of each row in its planned order."""

    def __init__(self, run: config.RunConfig, mesh: config.Mesh, batches: Batches, sharding: NamedSharding) -> None:
        """`mesh`: with its Ulysses degree, as `sharding` was made of."""
        self._shape = (run.rows, run.context_length)
        self._batches, self._sharding = batches, sharding
        self._start = run.start
        self._mesh, self._names = mesh, batch_names(run.model)

    def batch(self, step: int) -> Batch:
        """The batch of step `step` (from 0); after a rollback that skips data, a later one than its own."""
        number = self._start.batch_of(step)

        @cache
        def rows(first: int, last: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.int32]]:
            arrays = self._batches.rows(number, range(first, last))
            return arrays, column_orders(self._mesh, arrays["start"])

        def shard(name: str, index: Any) -> NDArray[Any]:
            first, last, _ = index[0].indices(self._shape[0])
            arrays, order = rows(first, last)
            return np.take_along_axis(arrays[name], order[:, index[1]], axis=1)

        def array(name: str) -> jax.Array:
            return jax.make_array_from_callback(self._shape, self._sharding, lambda index: shard(name, index))

        return cast("Batch", {name: array(name) for name in self._names})

    def tokens(self, step: int) -> int:
        """Tokens of the global batch of step `step`, without padding."""
        return self._batches.tokens(self._start.batch_of(step))

    def tokens_seen(self, steps: int) -> int:
        """Tokens of the first `steps` steps of the stage, without padding and without the batches that rollbacks skip."""
        seen, begin, number = 0, 0, 0
        for rollback in sorted(self._start.rollbacks, key=lambda rollback: rollback.step):
            end = min(rollback.step, steps)
            seen += self._tokens_between(number, number + end - begin)
            number, begin = number + end - begin + rollback.skip_batches, end
        return seen + self._tokens_between(number, number + steps - begin)

    def _tokens_between(self, first: int, last: int) -> int:
        return self._batches.tokens_before(last) - self._batches.tokens_before(first)
