"""The loss of a batch without a step: sums over its targets by modality and by position in the document.

Letters: B rows, T tokens of a row, K ranges of positions.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec

from lwm_trainer import config
from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh
from lwm_trainer.step.batch import Batch
from lwm_trainer.step.forward import make_forward, make_heads, weights_by_modality
from lwm_trainer.step.loss import target_entropies
from lwm_trainer.step.loss_normalization import Modality


class PositionSums(NamedTuple):
    """Sums over the targets whose predecessor stands in a range of positions: range 0 is position 0, range k is 2^(k-1) to 2^k."""

    entropy_K: Array
    """float32, negative log-likelihoods in nats."""
    targets_K: Array
    """int32, how many targets."""


ValidationStep = Callable[[llama.Params, Batch], dict[Modality, PositionSums]]


def position_ranges(context_length: int) -> int:
    """How many ranges the positions of a row have."""
    return (context_length - 1).bit_length() + 1


def make_validation_step(run: config.RunConfig, device_mesh: jax.sharding.Mesh) -> ValidationStep:
    """The compiled-on-first-use function from parameters and a batch to the sums of each modality, equal on all hosts.

    A target counts where its weight is positive, and every target counts alike.
    """
    forward, heads = make_forward(run, device_mesh), make_heads(run.model)
    ranges = position_ranges(run.context_length)

    def validation_step(params: llama.Params, batch: Batch) -> dict[Modality, PositionSums]:
        with jax.default_matmul_precision(run.precision.matmul_precision):
            hidden_BTD = forward(params, batch)
            entropy_BT = {
                modality: target_entropies(device_mesh, mesh.RING_AXES, hidden_BTD, head(params), batch["targets"])
                for modality, head in heads.items()
            }
        range_BT = 32 - jax.lax.clz(batch["positions"])  # the number of binary digits
        sums: dict[Modality, PositionSums] = {}
        for modality, weight_BT in weights_by_modality(run.model, batch).items():
            counted = [(weight_BT > 0) & (range_BT == number) for number in range(ranges)]
            entropy = [jnp.where(mask_BT, entropy_BT[modality], 0.0).sum() for mask_BT in counted]
            sums[modality] = PositionSums(jnp.stack(entropy), jnp.stack([mask_BT.sum(dtype=jnp.int32) for mask_BT in counted]))
        return sums

    return jax.jit(validation_step, out_shardings=NamedSharding(device_mesh, PartitionSpec()))
