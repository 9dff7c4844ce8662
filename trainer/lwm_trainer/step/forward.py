"""The model on a global batch, as training and validation run it: its stream before the heads, the heads, and what targets weigh."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import NamedSharding

from lwm_trainer import config
from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh
from lwm_trainer.parallel.token_wise import by_device
from lwm_trainer.ring.attention import SAVED_NAMES, ring_attention
from lwm_trainer.ring.kernels.choose import choose_backend
from lwm_trainer.step.batch import Batch
from lwm_trainer.step.loss_normalization import Modality


def make_forward(run: config.RunConfig, device_mesh: jax.sharding.Mesh) -> Callable[[llama.Params, Batch], Array]:
    """The function from parameters and a batch to the hidden states [B, T, D] before the heads, in the compute type."""
    stream, table = (NamedSharding(device_mesh, spec) for spec in (mesh.STREAM, mesh.TABLE))
    backend = choose_backend(device_mesh.devices.flat[0])
    token_wise = by_device(device_mesh, mesh.RING_AXES, run.memory.mlp_tile)

    def forward(params: llama.Params, batch: Batch) -> Array:
        return llama.hidden_states(
            run.model,
            params,
            batch["tokens"],
            batch["positions"],
            run.rope_theta,
            attend=ring_attention(device_mesh, mesh.RING_AXES, batch["index"], batch["start"], backend=backend),
            place=lambda x: jax.lax.with_sharding_constraint(x, stream),
            remat=run.memory.remat,
            attention_names=SAVED_NAMES,
            token_wise=token_wise,
            vision_BT=batch["vision"] == 1 if run.model.vision is not None else None,
            place_table=lambda x: jax.lax.with_sharding_constraint(x, table),
            precision=run.precision,
            key_head_copies=config.key_head_copies(run.model, run.mesh.tp),
        )

    return forward


def make_heads(model: config.Model) -> dict[Modality, Callable[[llama.Params], Array]]:
    """The head [D, V] of each modality's vocabulary, from the parameters."""
    text: dict[Modality, Callable[[llama.Params], Array]] = {"text": partial(llama.head, model)}
    return text if model.vision is None else text | {"vision": llama.vision_head}


def weights_by_modality(model: config.Model, batch: Batch) -> dict[Modality, Array]:
    """The weight [B, T] of each target in its modality, zero in the other."""
    if model.vision is None:
        return {"text": batch["weights"]}
    vision = batch["target_vision"] == 1
    return {"text": jnp.where(vision, 0.0, batch["weights"]), "vision": jnp.where(vision, batch["weights"], 0.0)}
