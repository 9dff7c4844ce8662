"""Keys and values in host memory: conversations that lost their rows of the cache go on without computing their prompts again.

A row is kept as blocks of tokens. A block's name is the hash of its tokens and of all before them: conversations that begin alike share
what they begin with (as in paged caches: Kwon et al. 2023, arXiv 2309.06180). Each host keeps what its own devices held. The blocks that
were used longest ago give way, those at the end of a conversation before those that they follow.

Letters: L layers, K key heads, N ranks, g slots of a rank in a block, C head width; 2: keys and values.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec

from lwm_trainer.parallel import mesh
from lwm_trainer.ring.cached_attention import KeysAndValues
from lwm_trainer.sampling.engine import Engine, Rows
from lwm_trainer.sampling.programs import Caches, ranks
from lwm_trainer.sampling.prompt import TokenRow

BLOCK = 256
"""Tokens of a block, or a few more, so that all ranks hold as many of them."""
HOST_MEMORY = "pinned_host"


class HostSessions:
    """Blocks of the rows of one engine, up to a number of bytes of this host."""

    def __init__(self, engine: Engine, most_bytes: int) -> None:
        device_mesh = engine.programs.mesh
        self._most_bytes, self._ranks = most_bytes, ranks(device_mesh)
        self.block = -(-BLOCK // self._ranks) * self._ranks
        axes = mesh.RING_AXES
        on_devices = NamedSharding(device_mesh, PartitionSpec(None, None, axes.heads, axes.tokens, None, None))
        kinds = {memory.kind for memory in device_mesh.devices.flat[0].addressable_memories()}
        # The devices of a CPU are in host memory already.
        self._on_host = on_devices.with_memory_kind(HOST_MEMORY) if HOST_MEMORY in kinds else on_devices
        self._on_devices = on_devices
        slots = self.block // self._ranks
        self._take = jax.jit(partial(_take, count=self._ranks, slots=slots), out_shardings=on_devices)
        self._put = jax.jit(partial(_put, count=self._ranks), donate_argnums=0, out_shardings=engine.programs.cache_sharding)
        self._blocks: OrderedDict[bytes, Array] = OrderedDict()
        """By the hashes of their tokens; those used longest ago first."""
        self.bytes = 0
        """What the blocks take of this host's memory."""

    def forget(self) -> None:
        """Keep nothing."""
        self._blocks.clear()
        self.bytes = 0

    def length(self, prompt: TokenRow) -> int:
        """Tokens that are kept of the prompt; at least its last token is left to compute, because its scores are needed."""
        kept = 0
        for end, name in self._names(prompt.before(prompt.length - 1)):
            if name not in self._blocks:
                break
            kept = end
        return kept

    def save(self, rows: Rows, row: int, content: TokenRow) -> None:
        """Keep the whole blocks of what a row holds, from its beginning on, as far as the memory goes.

        While a block is added, there is one too many at most.
        """
        names = {name: end for end, name in self._names(content)}
        self._use([name for name in names if name in self._blocks])
        for name, end in names.items():
            if name in self._blocks:
                continue
            block = jax.device_put(self._take(rows.caches, row, (end - self.block) // self._ranks), self._on_host)
            self._blocks[name] = block
            self.bytes += _bytes_here(block)
            while self.bytes > self._most_bytes and (oldest := next(iter(self._blocks))) not in names:
                self.bytes -= _bytes_here(self._blocks.pop(oldest))
            if self.bytes > self._most_bytes:  # the conversation alone is longer than the memory
                self.bytes -= _bytes_here(self._blocks.pop(name))
                break
        self._use([name for name in names if name in self._blocks])

    def restore(self, rows: Rows, row: int, prompt: TokenRow, length: int) -> None:
        """Let a row hold the first tokens of the prompt, `length` of them, which are kept."""
        names = list(self._names(prompt.before(length)))
        for end, name in names:
            block = jax.device_put(self._blocks[name], self._on_devices)
            rows.caches = self._put(rows.caches, block, row, (end - self.block) // self._ranks)
        self._use([name for _, name in names])
        rows.lengths = rows.lengths.copy()
        rows.lengths[row] = length

    def _use(self, names: list[bytes]) -> None:
        """These blocks of a conversation are the last ones that give way, its first one after all others."""
        for name in reversed(names):
            self._blocks.move_to_end(name)

    def _names(self, row: TokenRow) -> Iterator[tuple[int, bytes]]:
        """Where each whole block of the row ends, and its name."""
        name = b""
        for end in range(self.block, row.length + 1, self.block):
            own = row.before(end).after(end - self.block)
            name = hashlib.sha256(name + own.tokens.tobytes() + own.vision.tobytes()).digest()
            yield end, name


def _take(caches: Caches, row: Array, first_slot: Array, *, count: int, slots: int) -> Array:
    """The block [L, 2, K, N, g, C] of a row that begins at this slot of every rank."""

    def one(x_BKSC: Array) -> Array:
        _, heads, places, width = x_BKSC.shape
        x_BKNSC = x_BKSC.reshape(-1, heads, count, places // count, width)
        return jax.lax.dynamic_slice(x_BKNSC, (row, 0, 0, first_slot, 0), (1, heads, count, slots, width))[0]

    return jnp.stack([jnp.stack([one(x) for x in layer]) for layer in caches])


def _put(caches: Caches, block: Array, row: Array, first_slot: Array, *, count: int) -> Caches:
    """The caches with this block in a row."""

    def one(x_BKSC: Array, part_KNgC: Array) -> Array:
        _, heads, places, width = x_BKSC.shape
        x_BKNSC = x_BKSC.reshape(-1, heads, count, places // count, width)
        return jax.lax.dynamic_update_slice(x_BKNSC, part_KNgC[None], (row, 0, 0, first_slot, 0)).reshape(x_BKSC.shape)

    return [
        KeysAndValues(*(one(x, part) for x, part in zip(layer, parts, strict=True))) for layer, parts in zip(caches, block, strict=True)
    ]


def _bytes_here(block: Array) -> int:
    return sum(shard.data.nbytes for shard in block.addressable_shards)
