"""One step: `train_step(state, pixels) -> (state, metrics)`, pure.

The codebook is trained as in SimVQ (Zhu et al. 2024, arXiv 2411.02038): a fixed random table, times a matrix that is learned, so that every
code moves with every step and none dies. The gradient passes the quantiser by the rotation trick (Fifty et al. 2024, arXiv 2410.06424).

Letters: B frames, H, W rows and columns, N vectors, K codes, C channels.
"""

from typing import Any, TypedDict

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from lwm_trainer.step.optimizer import make_optimizer
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.quantiser import fsq_bound, nearest, unit
from lwm_trainer.vision.training.discriminator import adaptive_weight, adversarial_loss, discriminator_loss, init_discriminator
from lwm_trainer.vision.training.losses import reconstruction_loss
from lwm_trainer.vision.training.perceptual import Trunk, perceptual_loss
from lwm_trainer.vision.training.recipe import TrainingRecipe
from lwm_trainer.vision.vqgan_config import VqganConfig

EMA_WARMUP = 10
"""Steps of the order over which the average of the weights forgets their first values."""


class TrainingState(TypedDict):
    """All that the next step depends on, beside the pictures."""

    params: vqgan.Params
    """Trained: "encoder", "decoder" and, unless the codes are those of FSQ, "map" [C, C]."""
    ema: vqgan.Params
    """Their average over steps."""
    table: Array
    """The fixed table [K, C]; empty for FSQ."""
    optimizer: Any
    discriminator: dict[str, Any]
    """"params" and "optimizer" of the discriminator; empty without one."""
    step: Array
    """int32: the number of steps that were taken."""


def init_state(recipe: TrainingRecipe) -> TrainingState:
    """The state before the first step."""
    config = recipe.tokenizer
    params = jax.tree.map(jnp.asarray, vqgan.init(config, recipe.seed))
    table = params.pop("codebook", jnp.zeros((0, config.codebook_width)))
    if config.quantiser == "nearest":
        params["map"] = jnp.eye(config.codebook_width)
    optimizer = make_optimizer(recipe.optimizer, recipe.steps).init(params)
    discriminator: dict[str, Any] = {}
    if recipe.discriminator is not None:
        judging = init_discriminator(recipe.discriminator, recipe.seed)
        discriminator = {"params": judging, "optimizer": _discriminator_optimizer(recipe).init(judging)}
    return TrainingState(
        params=params, ema=params, table=table, optimizer=optimizer, discriminator=discriminator, step=jnp.zeros((), jnp.int32)
    )


def _discriminator_optimizer(recipe: TrainingRecipe) -> optax.GradientTransformation:
    """The tokenizer's optimizer, over the steps after the discriminator's start."""
    start = recipe.discriminator.start_step if recipe.discriminator is not None else 0
    return make_optimizer(recipe.optimizer, recipe.steps - start)


def train_step(
    recipe: TrainingRecipe, adversarial: bool, state: TrainingState, frame_BHWC: Array, trunk: Trunk
) -> tuple[TrainingState, dict[str, Array]]:
    """The state after one more step, and its metrics: "loss", "absolute" (mean over pixels from -1 to 1) and "codes", int32 [N].

    "perceptual", "adversarial" and "discriminator" are those losses without their weights, where there are some.

    Args:
        adversarial: whether the discriminator has begun.
        frame_BHWC: uint8 pixels.
        trunk: of the perceptual loss; empty without one.
    """
    pixel_BHWC = frame_BHWC.astype(jnp.float32) / 127.5 - 1

    def loss_of(params: vqgan.Params) -> tuple[Array, dict[str, Array]]:
        config = recipe.tokenizer
        vector_BHWC = vqgan.vectors(config, params, pixel_BHWC)
        vector_NC = vector_BHWC.reshape(-1, config.codebook_width)
        quantised_NC, codes, distance = _quantise(config, params, state["table"], vector_NC, recipe.commitment_weight)
        made_BHWC = vqgan.reconstruct(config, params, quantised_NC.reshape(vector_BHWC.shape), jnp.float32)
        absolute, reconstruction = reconstruction_loss(made_BHWC, pixel_BHWC, recipe.gradient_weight)
        loss, losses = reconstruction + distance, {"absolute": absolute}
        if recipe.perceptual is not None:
            losses["perceptual"] = perceptual_loss(trunk, made_BHWC, pixel_BHWC)
            loss = loss + recipe.perceptual.weight * losses["perceptual"]
        if adversarial and recipe.discriminator is not None:
            losses["adversarial"] = adversarial_loss(state["discriminator"]["params"], made_BHWC)
            factor = _adaptive_weight(recipe, params, state, quantised_NC.reshape(vector_BHWC.shape), pixel_BHWC, trunk)
            loss = loss + recipe.discriminator.weight * factor * losses["adversarial"]
        return loss, {"loss": loss, "codes": codes, "made": lax.stop_gradient(made_BHWC), **losses}

    gradients, metrics = jax.grad(loss_of, has_aux=True)(state["params"])
    made_BHWC, discriminator = metrics.pop("made"), state["discriminator"]
    if adversarial:
        discriminator, metrics["discriminator"] = _discriminator_step(recipe, discriminator, pixel_BHWC, made_BHWC)
    updates, optimizer = make_optimizer(recipe.optimizer, recipe.steps).update(gradients, state["optimizer"], state["params"])
    params: vqgan.Params = optax.apply_updates(state["params"], updates)
    step = state["step"] + 1
    decay = jnp.minimum(recipe.ema_decay, step / (step + EMA_WARMUP))
    ema = jax.tree.map(lambda average, value: decay * average + (1 - decay) * value, state["ema"], params)
    after = TrainingState(params=params, ema=ema, table=state["table"], optimizer=optimizer, discriminator=discriminator, step=step)
    return after, metrics


def _adaptive_weight(
    recipe: TrainingRecipe, params: vqgan.Params, state: TrainingState, quantised_BHWC: Array, pixel_BHWC: Array, trunk: Trunk
) -> Array:
    """The weight that makes both losses pull equally at the decoder's last kernel; without a gradient of its own."""
    fixed = lax.stop_gradient(params)

    def made_by(kernel: Array) -> Array:
        decoder = fixed["decoder"] | {"conv_out": fixed["decoder"]["conv_out"] | {"kernel": kernel}}
        return vqgan.reconstruct(recipe.tokenizer, fixed | {"decoder": decoder}, lax.stop_gradient(quantised_BHWC), jnp.float32)

    def reconstruction_of(kernel: Array) -> Array:
        _, loss = reconstruction_loss(made_by(kernel), pixel_BHWC, recipe.gradient_weight)
        if recipe.perceptual is not None:
            loss = loss + recipe.perceptual.weight * perceptual_loss(trunk, made_by(kernel), pixel_BHWC)
        return loss

    last = fixed["decoder"]["conv_out"]["kernel"]
    judged = jax.grad(lambda kernel: adversarial_loss(state["discriminator"]["params"], made_by(kernel)))(last)
    return adaptive_weight(jax.grad(reconstruction_of)(last), judged)


def _discriminator_step(
    recipe: TrainingRecipe, discriminator: dict[str, Any], true_BHWC: Array, made_BHWC: Array
) -> tuple[dict[str, Any], Array]:
    """The discriminator after one more step, on the crops and what the decoder made of them, and its loss."""
    loss, gradients = jax.value_and_grad(discriminator_loss)(discriminator["params"], true_BHWC, made_BHWC)
    updates, optimizer = _discriminator_optimizer(recipe).update(gradients, discriminator["optimizer"], discriminator["params"])
    return {"params": optax.apply_updates(discriminator["params"], updates), "optimizer": optimizer}, loss


def _quantise(
    config: VqganConfig, params: vqgan.Params, table_KC: Array, vector_NC: Array, commitment_weight: float
) -> tuple[Array, Array, Array]:
    """The vectors that the decoder gets, [N, C], their codes [N], and the loss of their distance to the encoder's."""
    if config.quantiser == "fsq":
        bounded = fsq_bound(vector_NC, config.fsq_levels)
        levels = jnp.array(config.fsq_levels) // 2
        codes = vqgan.quantise(config, params, vector_NC[:, None, None]).ravel()
        return (bounded + lax.stop_gradient(jnp.round(bounded) - bounded)) / levels, codes, jnp.zeros(())
    codebook_KC = table_KC @ params["map"]
    codes = nearest(lax.stop_gradient(vector_NC), lax.stop_gradient(codebook_KC))
    code_NC = codebook_KC[codes]
    to_code = jnp.mean(jnp.square(code_NC - lax.stop_gradient(vector_NC)))
    commitment = jnp.mean(jnp.square(vector_NC - lax.stop_gradient(code_NC)))
    return rotate_to(vector_NC, lax.stop_gradient(code_NC)), codes, to_code + commitment_weight * commitment


def rotate_to(vector_NC: Array, target_NC: Array) -> Array:
    """`target_NC`, with the gradient of the rotation and scaling that takes each vector to its target, held constant."""
    fixed_NC = lax.stop_gradient(vector_NC)
    from_NC, to_NC = unit(fixed_NC), unit(target_NC)
    middle_NC = unit(from_NC + to_NC)
    scale_N1 = jnp.linalg.norm(target_NC, axis=-1, keepdims=True) / jnp.maximum(jnp.linalg.norm(fixed_NC, axis=-1, keepdims=True), 1e-6)
    rotated_NC = (
        vector_NC
        - 2 * jnp.sum(vector_NC * middle_NC, axis=-1, keepdims=True) * middle_NC
        + 2 * jnp.sum(vector_NC * from_NC, axis=-1, keepdims=True) * to_NC
    )
    moved_NC = scale_N1 * rotated_NC
    rotated: Array = moved_NC + lax.stop_gradient(target_NC - moved_NC)  # exactly the code's vector, as at inference
    return rotated


def exported(state: TrainingState) -> vqgan.Params:
    """The averaged weights as an ordinary tokenizer, with the table multiplied out."""
    params = dict(state["ema"])
    if "map" in params:
        params["codebook"] = state["table"] @ params.pop("map")
    return params
