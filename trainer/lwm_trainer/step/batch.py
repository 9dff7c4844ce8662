"""The arrays of a global batch: their names, shapes and hash. How they are filled is `lwm_trainer.step.global_batch`.

Letters: B rows of the global batch, T tokens of a row.
"""

from typing import NotRequired, TypedDict, cast

import jax
import numpy as np
from jax import Array
from jax.sharding import NamedSharding

from lwm_trainer import config
from lwm_trainer.step.fingerprint import batch_hash


class Batch(TypedDict):
    """Global arrays [B, T] with columns in the ring's order. `lwm_trainer.data.rows.loader.Batches` explains each of them."""

    tokens: Array
    targets: Array
    positions: Array
    index: Array
    start: Array
    weights: Array
    vision: NotRequired[Array]
    """1 for a token of the vision vocabulary, 0 for one of the text's; there when the model has a vision vocabulary."""
    target_vision: NotRequired[Array]
    """The same of the targets."""


def batch_names(model: config.Model) -> tuple[str, ...]:
    """The names of the arrays in a batch for this model."""
    return tuple(name for name in Batch.__annotations__ if model.vision is not None or name in Batch.__required_keys__)


def tokens_hash(batch: Batch) -> Array:
    """uint32 of all that a step learns from: tokens, targets, weights, and which of them are vision's."""
    names = [name for name in Batch.__annotations__ if name in batch and name not in ("positions", "index", "start")]
    return batch_hash(batch["index"], *(batch[name] for name in names))  # type: ignore[literal-required]


def abstract_batch(run: config.RunConfig, sharding: NamedSharding) -> Batch:
    """Shapes, dtypes and sharding of a global batch, for compiling ahead of time."""
    shape = (run.rows, run.context_length)
    arrays = {
        name: jax.ShapeDtypeStruct(shape, np.float32 if name == "weights" else np.int32, sharding=sharding)
        for name in batch_names(run.model)
    }
    return cast("Batch", arrays)
