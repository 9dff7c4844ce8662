"""What serving a model takes, by arithmetic: memory of a device, and the least seconds of a prompt and of a token.

All devices divide the sequence, as `lwm serve` does by default: each holds its share of the parameters and of the cache, gathers the
parameters of a layer for a chunk of a prompt, and multiplies its own share of them for a token.
"""

from dataclasses import dataclass

import numpy as np

from lwm_trainer.config import Model
from lwm_trainer.config.accelerator_families import Device
from lwm_trainer.fit.estimate.flops import parameter_counts
from lwm_trainer.fit.estimate.step_time import BLOCK, FLOAT32, ICI_SHARE, MATMUL_SHARE, attention_share

RING_LINKS = 2
"""Links of a device that a gather uses: those to its two neighbours."""
BYTES = {"bfloat16": 2, "float32": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingEstimate:
    """Figures of one model with rows of whole contexts."""

    parameters: int
    """Bytes of a device, as the next ones."""
    cache: int
    working: int
    """Two gathered layers, and what a chunk of a prompt has while it attends to the cache."""
    available: int
    prefill_seconds: float
    """A prompt as long as the context, alone: computation, gathers and the travels of queries one after the other."""
    token_seconds: float
    """A token after it: the time of reading parameters and cache. Collectives come on top."""

    @property
    def total(self) -> int:
        return self.parameters + self.cache + self.working

    @property
    def fits(self) -> bool:
        return self.total <= self.available


def estimate_serving(
    model: Model, context: int, device: Device, available: int, devices: int, *, rows: int, chunk: int, dtype: str
) -> ServingEstimate:
    """Estimate what a model takes on so many devices.

    Args:
        available: bytes of a device that a program may use.
        rows: rows of the cache, each for `context` tokens.
        chunk: tokens of a prompt that are taken at once.
        dtype: of parameters, activations and cache: bfloat16 or float32.
    """
    size, counts = BYTES[dtype], parameter_counts(model)
    inner = model.heads * model.head_dim
    chunk = min(chunk, context)
    cached_token = 2 * model.layers * model.kv_heads * model.head_dim * size
    # Every device has the queries of the whole chunk, and its part of their outputs in float32, sent and received.
    queries = chunk * inner * size
    partial = chunk * model.heads * (model.head_dim + 2) * FLOAT32
    activations = -(-chunk // devices) * (4 * model.width + 2 * model.mlp_width) * size
    layers = model.layers * counts.layer
    chunks = -(-context // chunk)
    others = (devices - 1) / devices
    pairs = context * (context + 1) / 2
    compute = (2 * layers * context / MATMUL_SHARE + 4 * inner * model.layers * pairs / attention_share(BLOCK)) / (device.flops * devices)
    link = RING_LINKS * device.ici_rate * ICI_SHARE
    travels = others * chunks * (layers * size + model.layers * (queries + partial / devices)) / link
    return ServingEstimate(
        parameters=-(-counts.total * size // devices),
        cache=rows * -(-context // devices) * cached_token,
        working=2 * counts.layer * size + queries + 2 * partial + activations,
        available=available,
        prefill_seconds=compute + travels,
        token_seconds=((layers + counts.head) * size + context * cached_token) / devices / device.hbm_rate,
    )


def devices_of(topology: str, devices_per_chip: int) -> int:
    """JAX devices of a slice such as 4x4x4."""
    return int(np.prod([int(side) for side in topology.split("x")])) * devices_per_chip
