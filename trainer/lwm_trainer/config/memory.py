"""The settings of a stage that save device memory."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_trainer.config.contract import Contract

Remat = Literal["none", "products", "qkv", "attention", "full", "offload"]


class Memory(Contract):
    """Settings that save device memory. They change results only by the order of float32 sums."""

    remat: Remat = "attention"
    """What the backward pass rematerializes. none: nothing, every activation is kept. products: each layer keeps its input, queries, keys,
    values, attention's output before and after its projection, and the MLP's gate and up products (unless the MLP runs in tiles). qkv: each
    layer keeps its input, queries, keys, values and attention's output. attention: each layer keeps its input and attention's output, so
    that ring attention runs once. full: each layer keeps its input only, so that ring attention runs again. offload: as attention, with the
    kept values in host memory."""
    mlp_tile: Annotated[int, Field(ge=1, le=16_777_216)] | None = Field(
        default=None,
        description="Tokens of a row for which the MLP runs at once: a divisor of contextLength and a multiple of mesh.sp. Default: all.",
    )
    gradient_accumulation_steps: Annotated[int, Field(ge=1, le=65536)] = 1
    """Parts into which a step's rows are divided, computed one after the other: a divisor of the rows per dp x fsdp shard."""
