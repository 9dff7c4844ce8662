"""A model on its devices: rows of tokens in, scores out. Rows have lengths of their own.

Letters: B rows, C tokens of a chunk, W tokens of a step of decoding, D width, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import NamedSharding
from numpy.typing import NDArray

from lwm_trainer import config
from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh
from lwm_trainer.ring.cached_attention import ABSENT, stripe_order
from lwm_trainer.sampling.programs import Caches, Logits, Tokens, make_programs, ranks
from lwm_trainer.sampling.prompt import TokenRow

CHUNK = 2048
"""Tokens of a row that a prefill takes at once, unless told otherwise."""

Progress = Callable[[int, int], None]
"""Called during prefill with the tokens that are done and all that there are."""


def no_progress(_done: int, _total: int) -> None:
    """Nobody looks."""


@dataclass(slots=True)
class Rows:
    """What the cache holds. A row's length may be set back: what lies behind it is overwritten."""

    caches: Caches
    lengths: NDArray[np.int32]
    """int32[B], tokens of each row in the cache."""
    capacity: int
    """Tokens of a row, at most."""


class Engine:
    """Prefills and decodes rows of one model on one mesh."""

    def __init__(
        self,
        model: config.Model,
        rope_theta: float,
        params: llama.Params,
        device_mesh: jax.sharding.Mesh,
        chunk: int = CHUNK,
        cache_dtype: str | None = None,
    ) -> None:
        """`params` are those of `for_generation`; the others are those of `make_programs`, which says what it raises."""
        self.model, self.params = model, params
        self.programs = make_programs(model, rope_theta, device_mesh, chunk, cache_dtype)
        self._ranks = ranks(device_mesh)
        self._tokens_sharding = NamedSharding(device_mesh, mesh.TOKENS)
        self._row_groups = int(np.prod([device_mesh.shape[axis] for axis in mesh.ROW_AXES]))

    def new_rows(self, count: int, capacity: int) -> Rows:
        """Empty rows for `capacity` tokens each, rounded up to whole chunks; `count` is rounded up to what the mesh divides."""
        count = -(-count // self._row_groups) * self._row_groups
        capacity = -(-capacity // self.programs.chunk) * self.programs.chunk
        return Rows(self.programs.new_caches(count, capacity), np.zeros(count, np.int32), capacity)

    def prefill(self, rows: Rows, new: Sequence[TokenRow], progress: Progress = no_progress) -> Array:
        """Add tokens to the rows, none or any number to each: the hidden state [B, D] of the last token that each row got.

        `progress` is called after each chunk with the tokens of a row that are done and those of the longest one.
        A row without new tokens has zeros. Raises ValueError where a row would be longer than the capacity.
        """
        new = [*new, *[TokenRow(np.zeros(0, np.int32), np.zeros(0, np.bool_))] * (len(rows.lengths) - len(new))]
        for number, (row, length) in enumerate(zip(new, rows.lengths.tolist(), strict=True)):
            if length + row.length > rows.capacity:
                raise ValueError(
                    f"row {number}: {length + row.length} tokens are more than the {rows.capacity} of the cache: make it larger"
                )
        last_BD: Array = jnp.zeros((len(new), self.model.width), jnp.dtype(self.model.dtype))
        chunk = self.programs.chunk
        longest = max(row.length for row in new)
        for begin in range(0, longest, chunk):
            parts = [row.after(begin) for row in new]
            hidden_BCD, rows.caches = self.programs.prefill(self.params, rows.caches, self._chunk(parts, rows.lengths))
            ends = np.array([0 < part.length <= chunk for part in parts])
            sizes = [min(part.length, chunk) for part in parts]
            columns = [self._column(length, size) for length, size in zip(rows.lengths.tolist(), sizes, strict=True)]
            last_BD = _pick(last_BD, hidden_BCD, np.array(columns, np.int32), ends)
            rows.lengths = rows.lengths + np.array(sizes, np.int32)
            progress(min(begin + chunk, longest), longest)
        return last_BD

    def logits(self, hidden_D: Array) -> Logits:
        """Scores of the token after each of these hidden states [..., D]."""
        return self.programs.logits(self.params, hidden_D)

    def decode(self, rows: Rows, token_BW: NDArray[np.int32], vision_BW: NDArray[np.bool_], live_BW: NDArray[np.bool_]) -> Logits:
        """Add the live ones of W tokens to each row, in a row the first ones: the scores [B, W, V] after each of them."""
        place_BW = np.where(live_BW, rows.lengths[:, None] + np.arange(token_BW.shape[1], dtype=np.int32), ABSENT)
        tokens = Tokens(jnp.asarray(token_BW), jnp.asarray(vision_BW) if self.model.vision is not None else None, jnp.asarray(place_BW))
        scores, rows.caches = self.programs.decode(self.params, rows.caches, tokens)
        rows.lengths = rows.lengths + live_BW.sum(1, dtype=np.int32)
        return scores

    def _chunk(self, parts: Sequence[TokenRow], lengths: NDArray[np.int32]) -> Tokens:
        """The first tokens of each part as a chunk, each rank's together; absent tokens after the end of a part."""
        shape = (len(parts), self.programs.chunk)
        token_BC, vision_BC, place_BC = np.zeros(shape, np.int32), np.zeros(shape, np.bool_), np.full(shape, ABSENT, np.int32)
        for row, (part, length) in enumerate(zip(parts, lengths.tolist(), strict=True)):
            place_C = stripe_order(length, self.programs.chunk, self._ranks)
            index_C = place_C - length
            present_C = index_C < part.length
            place_BC[row, present_C] = place_C[present_C]
            token_BC[row, present_C] = part.tokens[index_C[present_C]]
            vision_BC[row, present_C] = part.vision[index_C[present_C]]
        arrays = token_BC, vision_BC if self.model.vision is not None else None, place_BC
        return Tokens(*(None if x is None else jax.device_put(x, self._tokens_sharding) for x in arrays))  # type: ignore[arg-type]

    def _column(self, length: int, count: int) -> int:
        """The column of a chunk that holds the last of `count` new tokens of a row that had `length`; 0 where there is none."""
        order_C = stripe_order(length, self.programs.chunk, self._ranks)
        return int(np.argmax(order_C == length + count - 1))


@jax.jit
def _pick(last_BD: Array, hidden_BCD: Array, column_B: Array, ends_B: Array) -> Array:
    """The hidden states of the rows that end in this chunk, and the former ones of the others."""
    picked_BD = jnp.take_along_axis(hidden_BCD, column_B[:, None, None], axis=1)[:, 0]
    return jnp.where(ends_B[:, None], picked_BD, last_BD)
