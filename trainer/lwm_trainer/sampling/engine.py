"""A model on its devices: rows of tokens in, scores out. Rows have lengths of their own.

Letters: B rows, C tokens of a chunk, W tokens of a step of decoding, D width, V vocabulary.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec
from numpy.typing import NDArray

from lwm_trainer import config
from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh
from lwm_trainer.ring.cached_attention import ABSENT, stripe_order
from lwm_trainer.sampling.chunk_sizes import CHUNK, SHORT_CHUNK
from lwm_trainer.sampling.programs import Caches, Logits, Tokens, make_programs, ranks
from lwm_trainer.sampling.prompt import TokenRow, text_row

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
        precision: config.Precision = config.Precision(),  # noqa: B008 - frozen
        cache_dtype: str | None = None,
    ) -> None:
        """`params` are those of `for_generation`; the others are those of `make_programs`, which says what it raises."""
        self.model, self.params = model, params
        self._compute = jnp.dtype(precision.compute)
        self.programs = make_programs(model, rope_theta, device_mesh, chunk, precision, cache_dtype)
        self._ranks = ranks(device_mesh)
        self._tokens_sharding = NamedSharding(device_mesh, mesh.TOKENS)
        self._everywhere = NamedSharding(device_mesh, PartitionSpec())
        self._short = min(chunk, -(-SHORT_CHUNK // self._ranks) * self._ranks)
        self._row_groups = int(np.prod([device_mesh.shape[axis] for axis in mesh.ROW_AXES]))

    def new_rows(self, count: int, capacity: int) -> Rows:
        """Empty rows for `capacity` tokens each, rounded up to whole chunks; `count` is rounded up to what the mesh divides."""
        count = -(-count // self._row_groups) * self._row_groups
        capacity = -(-capacity // self.programs.chunk) * self.programs.chunk
        return Rows(self.programs.new_caches(count, capacity), np.zeros(count, np.int32), capacity)

    def prefill(self, rows: Rows, new: Sequence[TokenRow], progress: Progress = no_progress) -> Array:
        """Add tokens to the rows, as `prefill_in_chunks`; `progress` is called after each chunk with the tokens done and all there are."""
        chunks, total, done = self.prefill_in_chunks(rows, new), sum(row.length for row in new), 0
        while True:
            try:
                done += next(chunks)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            progress(done, total)

    def prefill_in_chunks(self, rows: Rows, new: Sequence[TokenRow]) -> Generator[int, None, Array]:
        """Add tokens to the rows, none or any number to each: the hidden state [B, D] of the last token that each row got.

        Yields after each chunk its tokens; meanwhile other rows may be decoded. The chunk before that one has been computed then, so that
        no whole prompt stands before what else is to be computed. A row without new tokens has zeros. Raises ValueError where a row would
        be longer than the capacity.
        """
        for number, row in enumerate(new):
            if (tokens := rows.lengths[number] + row.length) > rows.capacity:
                raise ValueError(f"row {number}: {tokens} tokens are more than the {rows.capacity} of the cache: make it larger")
        count = len(rows.lengths)
        last_BD: Array = mesh.from_every_host(np.zeros((count, self.model.width), self._compute), self._everywhere)
        for first, parts in self._groups(new, count):
            while (left := max(part.length for part in parts)) > 0:
                size = self._short if left <= self.programs.chunk // 2 else self.programs.chunk
                lengths = rows.lengths[first : first + len(parts)].tolist()
                taken = [part.before(size) for part in parts]
                tokens = self._chunk(taken, lengths, size)
                former_BD = last_BD
                hidden_BCD, rows.caches = self.programs.prefill(self.params, rows.caches, tokens, first)
                columns = [self._column(length, part.length, size) for length, part in zip(lengths, taken, strict=True)]
                ends = [0 < part.length <= size for part in parts]
                last_BD = _pick(last_BD, hidden_BCD, np.array(columns, np.int32), np.array(ends), first)
                rows.lengths = rows.lengths.copy()
                rows.lengths[first : first + len(parts)] += [part.length for part in taken]
                parts = [part.after(size) for part in parts]
                former_BD.block_until_ready()
                yield sum(part.length for part in taken)
        return last_BD

    def prefill_scored(self, rows: Rows, new: TokenRow, targets: TokenRow) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Add n tokens to the first row, and score the token after each of them.

        Args:
            targets: the n tokens that follow those of `new`, each of which would be the next one.

        Returns the log-probabilities in nats, float32[n], and whether no token is more probable, bool[n]. Raises ValueError where the row
        would be longer than the capacity.
        """
        if (tokens := rows.lengths[0] + new.length) > rows.capacity:
            raise ValueError(f"row 0: {tokens} tokens are more than the {rows.capacity} of the cache: make it larger")
        count = 1 if self._row_groups == 1 else len(rows.lengths)
        log_probability, most_probable = np.zeros(new.length, np.float32), np.zeros(new.length, np.bool_)
        done = 0
        while (left := new.length - done) > 0:
            size = self._short if left <= self.programs.chunk // 2 else self.programs.chunk
            lengths = rows.lengths[:count].tolist()
            taken = new.after(done).before(size)
            tokens = self._chunk([taken, *[text_row([])] * (count - 1)], lengths, size)
            hidden_BCD, rows.caches = self.programs.prefill(self.params, rows.caches, tokens, 0)
            index_C = stripe_order(lengths[0], size, self._ranks) - lengths[0] + done
            present_C = index_C < done + taken.length
            after = [np.where(present_C, array[np.minimum(index_C, new.length - 1)], 0) for array in targets]
            target_BC, vision_BC = (np.broadcast_to(array, (count, size)) for array in after)
            scores = self.programs.target_scores(self.params, hidden_BCD, target_BC, vision_BC)
            log_probability[index_C[present_C]] = np.asarray(scores.log_probability_BC)[0, present_C]
            most_probable[index_C[present_C]] = np.asarray(scores.most_probable_BC)[0, present_C]
            rows.lengths = rows.lengths.copy()
            rows.lengths[0] += taken.length
            done += taken.length
        return log_probability, most_probable

    def copy(self, rows: Rows, source: int, target: int, length: int) -> None:
        """Let the row `target` hold the first `length` tokens of the row `source`."""
        rows.caches = self.programs.copy_row(rows.caches, source, target)
        rows.lengths = rows.lengths.copy()
        rows.lengths[target] = length

    def _groups(self, new: Sequence[TokenRow], count: int) -> list[tuple[int, list[TokenRow]]]:
        """The rows that a program takes together, by the first one: each by itself, or all where the mesh divides rows."""
        if self._row_groups == 1:
            return [(number, [row]) for number, row in enumerate(new) if row.length]
        return [(0, [*new, *[text_row([])] * (count - len(new))])]

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

    def _chunk(self, parts: Sequence[TokenRow], lengths: Sequence[int], size: int) -> Tokens:
        """The parts as a chunk of `size` tokens, each rank's together; absent tokens after the end of a part."""
        shape = (len(parts), size)
        token_BC, vision_BC, place_BC = np.zeros(shape, np.int32), np.zeros(shape, np.bool_), np.full(shape, ABSENT, np.int32)
        for row, (part, length) in enumerate(zip(parts, lengths, strict=True)):
            place_C = stripe_order(length, size, self._ranks)
            index_C = place_C - length
            present_C = index_C < part.length
            place_BC[row, present_C] = place_C[present_C]
            token_BC[row, present_C] = part.tokens[index_C[present_C]]
            vision_BC[row, present_C] = part.vision[index_C[present_C]]
        arrays = token_BC, vision_BC if self.model.vision is not None else None, place_BC
        return Tokens(*(None if x is None else mesh.from_every_host(x, self._tokens_sharding) for x in arrays))  # type: ignore[arg-type]

    def _column(self, length: int, count: int, size: int) -> int:
        """The column of a chunk that holds the last of `count` new tokens of a row that had `length`; 0 where there is none."""
        return int(np.argmax(stripe_order(length, size, self._ranks) == length + count - 1))


@jax.jit
def _pick(last_BD: Array, hidden_BCD: Array, column_B: Array, ends_B: Array, first: Array) -> Array:
    """`last_BD` with the hidden states of those rows of a group that end in this chunk; the group begins at row `first`."""
    picked_BD = jnp.take_along_axis(hidden_BCD, column_B[:, None, None], axis=1)[:, 0]
    former_BD = jax.lax.dynamic_slice_in_dim(last_BD, first, len(column_B))
    return jax.lax.dynamic_update_slice_in_dim(last_BD, jnp.where(ends_B[:, None], picked_BD, former_BD), first, axis=0)
