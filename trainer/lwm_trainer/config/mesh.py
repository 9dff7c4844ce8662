"""The device mesh's axes."""

import math
from typing import Annotated

from pydantic import Field

from lwm_trainer.config.contract import Contract
from lwm_trainer.config.model import Model


class Mesh(Contract):
    """Sizes of the device mesh axes. Their product dp x fsdp x tp x sp is the number of devices. Axis sp combines ring attention over
    sp / ulysses ranks with Ulysses all-to-alls within groups of `ulysses` devices.
    """

    dp: Annotated[int, Field(ge=1, le=65536)] = 1
    """Data parallelism with replicated parameters. Only this axis crosses TPU slices, so it must be a multiple of their number."""
    fsdp: Annotated[int, Field(ge=1, le=65536)] = 1
    """Data parallelism with sharded parameters. fsdp x sp must divide model.width."""
    tp: Annotated[int, Field(ge=1, le=1024)] = 1
    """Tensor parallelism over heads, MLP and vocabulary. It must divide heads, mlpWidth and vocabSize, and kvHeads or be a
    multiple of it: then each key head is on several devices. Best within one host."""
    sp: Annotated[int, Field(ge=1, le=65536)] = 1
    """Sequence parallelism: a device holds contextLength / sp tokens of a row. 2 x sp must divide contextLength. 1: no sequence
    parallelism."""
    ulysses: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Ulysses degree: a divisor of sp and of heads / tp. 1: ring attention only. Absent: the trainer chooses the fastest degree."""

    @property
    def size(self) -> int:
        return self.dp * self.fsdp * self.tp * self.sp

    @property
    def ring(self) -> int:
        """Ranks of the ring: all of sp where no split is given or chosen."""
        return self.sp // (self.ulysses or 1)


def ulysses_degrees(model: Model, mesh: Mesh) -> list[int]:
    """Every `mesh.ulysses` that is possible, ascending: the common divisors of sp and of the query heads of a tp shard."""
    common = math.gcd(mesh.sp, max(model.heads // mesh.tp, 1))
    return [degree for degree in range(1, common + 1) if common % degree == 0]


def key_head_copies(model: Model, tp: int) -> int:
    """Devices of `tp` that compute the same key head: 1 unless tp exceeds the key heads."""
    return max(1, tp // model.kv_heads)
