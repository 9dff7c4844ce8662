"""The device mesh's axes."""

import math
from typing import Annotated

from pydantic import Field

from lwm_trainer.config.contract import Contract
from lwm_trainer.config.model import Model


class Mesh(Contract):
    """Sizes of the device mesh's axes; the product is the number of devices.

    dp: data parallel, parameters replicated. fsdp: data parallel, parameters sharded. tp: heads and MLP width sharded.
    sp: the sequence sharded; attention runs over it as a ring of sp / ulysses ranks, each a group of `ulysses` devices that trade tokens
    for heads. ulysses: a divisor of sp that divides the query heads of a tp shard, too; absent: the trainer chooses the fastest.
    """

    dp: Annotated[int, Field(ge=1, le=65536)] = 1
    """Replicas of the parameters, each with its own rows of a step. Only this axis crosses TPU slices: a multiple of their number."""
    fsdp: Annotated[int, Field(ge=1, le=65536)] = 1
    """Shards of the parameters' width, each with its own rows of a step. fsdp x sp divides model.width."""
    tp: Annotated[int, Field(ge=1, le=1024)] = 1
    """Shards of heads, MLP and vocabulary: a divisor of heads, kvHeads, mlpWidth and vocabSize. Best within one host."""
    sp: Annotated[int, Field(ge=1, le=65536)] = 1
    """Parts of a row: no device holds more than contextLength / sp tokens of it. 2 x sp divides contextLength; 1: no ring."""
    ulysses: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Devices of sp that trade tokens for heads; a divisor of sp and of heads / tp. 1: all of sp is a ring. Absent: the fastest."""

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
