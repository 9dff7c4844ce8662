"""One training step as a pure function: `train_step(state, batch) -> (state, metrics)`.

Letters: B rows of the global batch, T tokens of a row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec

from lwm_trainer import config
from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh
from lwm_trainer.parallel.optimizer_placement import optimizer_shardings
from lwm_trainer.step import gradient_accumulation
from lwm_trainer.step.batch import Batch, tokens_hash
from lwm_trainer.step.fingerprint import tree_hash
from lwm_trainer.step.forward import make_forward, make_heads, weights_by_modality
from lwm_trainer.step.loss import LossSums, weighted_loss
from lwm_trainer.step.loss_normalization import Modality, denominators, mean_losses
from lwm_trainer.step.optimizer import make_optimizer
from lwm_trainer.step.spike_skipping import SpikeState


class State(TypedDict):
    params: llama.Params
    optimizer: Any
    ema: NotRequired[llama.Params]
    """The exponential moving average of the parameters, float32, where the stage keeps one."""


class Metrics(TypedDict):
    loss: Array
    """float32, the objective without the z-loss: a weighted mean of the global batch's cross-entropies, nats a target."""
    grad_norm: Array
    """float32, before clipping."""
    param_norm: Array
    """float32, of the parameters after the step."""
    tokens_hash: Array
    """uint32, see `tokens_hash`."""
    text_loss: NotRequired[Array]
    """float32, the same mean over text targets alone, NaN where there are none. Only for a model with a vision vocabulary."""
    vision_loss: NotRequired[Array]
    """float32, the same mean over vision targets alone."""
    skipped: NotRequired[Array]
    """int32, 1 where the step was skipped because its gradient is a spike. Only for a stage that skips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainProgram:
    """The functions that a stage runs, compiled on first use. They take and return global arrays with the shardings given here."""

    init: Callable[[Array], State]
    fresh_state: Callable[[llama.Params], State]
    """The state with which a stage begins from given parameters."""
    train_step: Callable[[State, Batch], tuple[State, Metrics]]
    state_hash: Callable[[State], Array]
    abstract_state: State
    """Shapes, dtypes and shardings, onto which a checkpoint is restored."""
    batch_sharding: NamedSharding


def make_program(run: config.RunConfig, device_mesh: jax.sharding.Mesh) -> TrainProgram:
    """Build a stage's functions for this mesh; nothing is computed yet."""
    optimizer = make_optimizer(run.optimizer, run.steps, run.precision.moments)
    params_shape = llama.abstract(run.model)
    params_sharding = mesh.parameter_shardings(device_mesh, run.model)
    optimizer_shape = jax.eval_shape(optimizer.init, params_shape)
    replicated = NamedSharding(device_mesh, PartitionSpec())
    optimizer_sharding = optimizer_shardings(optimizer_shape, params_shape, params_sharding)
    sharding = State(params=params_sharding, optimizer=optimizer_sharding)
    shape = State(params=params_shape, optimizer=optimizer_shape)
    decay = run.optimizer.ema_decay
    if decay is not None:
        sharding["ema"], shape["ema"] = params_sharding, params_shape
    tokens = NamedSharding(device_mesh, mesh.TOKENS)
    forward, heads = make_forward(run, device_mesh), make_heads(run.model)

    def init(key: Array) -> State:
        return fresh_state(llama.init(run.model, key))

    def fresh_state(params: llama.Params) -> State:
        state = State(params=params, optimizer=optimizer.init(params))
        if decay is not None:
            state["ema"] = jax.tree.map(jnp.copy, params)
        return state

    def sums(params: llama.Params, batch: Batch) -> dict[Modality, LossSums]:
        hidden = forward(params, batch)
        return {
            modality: weighted_loss(
                device_mesh, mesh.RING_AXES, hidden, heads[modality](params), batch["targets"], weight_BT, run.loss.z_loss_weight
            )
            for modality, weight_BT in weights_by_modality(run.model, batch).items()
        }

    def train_step(state: State, batch: Batch) -> tuple[State, Metrics]:
        by = denominators(run.loss, weights_by_modality(run.model, batch), batch["index"], batch["start"])
        with jax.default_matmul_precision(run.precision.matmul_precision):
            losses, grads = gradient_accumulation.value_and_grad(
                lambda params, part: mean_losses(run.loss, sums(params, part), by),
                state["params"],
                batch,
                microbatches=run.memory.gradient_accumulation_steps,
                rows=tokens,
                shardings=params_sharding,
            )
            updates, optimizer_state = optimizer.update(grads, state["optimizer"], state["params"])
        params = optax.apply_updates(state["params"], updates)
        metrics = Metrics(
            loss=losses.cross_entropy,
            grad_norm=optax.tree.norm(grads),
            param_norm=optax.tree.norm(params),
            tokens_hash=tokens_hash(batch),
        )
        if run.model.vision is not None:
            metrics |= {"text_loss": losses.by_modality["text"], "vision_loss": losses.by_modality["vision"]}
        if isinstance(optimizer_state, SpikeState):
            metrics["skipped"] = optimizer_state.skipped
        new = State(params=params, optimizer=optimizer_state)
        if decay is not None:
            new["ema"] = optax.incremental_update(params, state["ema"], 1 - decay)
        return new, metrics

    return TrainProgram(
        init=jax.jit(init, out_shardings=sharding, compiler_options=llama.drawing_options(device_mesh.devices.flat[0])),
        fresh_state=jax.jit(fresh_state, out_shardings=sharding, donate_argnums=0),
        train_step=jax.jit(train_step, donate_argnums=0, out_shardings=(sharding, replicated)),
        state_hash=jax.jit(tree_hash, out_shardings=replicated),
        abstract_state=jax.tree.map(lambda x, at: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=at), shape, sharding),
        batch_sharding=tokens,
    )
