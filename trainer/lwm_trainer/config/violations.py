"""Checks of a stage's fields against each other."""

from lwm_trainer.config.contract import Contract
from lwm_trainer.config.memory import Memory
from lwm_trainer.config.mesh import Mesh, ulysses_degrees
from lwm_trainer.config.model import Model
from lwm_trainer.config.optimizer import Optimizer


class Violation(Contract):
    """An invalid field: its path, relative to the stage or the model, and a message with the fix."""

    field: str
    message: str


def violations(
    *, model: Model, mesh: Mesh, devices: int, context_length: int, batch_tokens: int, memory: Memory, slices: int = 1
) -> list[Violation]:
    """Violations of a stage. The operator checks before it creates pods, and the trainer checks again when it starts."""
    invalid: list[Violation] = []
    if mesh.size != devices:
        invalid.append(
            Violation(
                field="mesh",
                message=f"dp {mesh.dp} x fsdp {mesh.fsdp} x tp {mesh.tp} x sp {mesh.sp} = {mesh.size} devices, but the accelerator "
                f"has {devices}: change the mesh or the number of hosts",
            )
        )
    if mesh.dp % slices:
        invalid.append(
            Violation(
                field="mesh.dp",
                message=f"{mesh.dp} is not a multiple of the {slices} slices, between which only data parallelism runs (their network is "
                f"slow): use {_near(mesh.dp, slices)}",
            )
        )
    if context_length % (2 * mesh.sp):
        invalid.append(
            Violation(
                field="contextLength",
                message=f"{context_length} is not a multiple of 2 x sp = {2 * mesh.sp} (each rank of the ring holds two equal chunks): "
                f"use {_near(context_length, 2 * mesh.sp)} or another mesh.sp",
            )
        )
    if batch_tokens % context_length:
        invalid.append(
            Violation(
                field="batchTokens",
                message=f"{batch_tokens} is not a multiple of contextLength {context_length}: use {_near(batch_tokens, context_length)}",
            )
        )
    elif (rows := batch_tokens // context_length) % (mesh.dp * mesh.fsdp):
        invalid.append(
            Violation(
                field="batchTokens",
                message=f"{batch_tokens} tokens are {rows} rows of {context_length}, which dp x fsdp = {mesh.dp * mesh.fsdp} does not "
                f"divide: use a multiple of {mesh.dp * mesh.fsdp * context_length} or a smaller dp x fsdp",
            )
        )
    elif (shard_rows := rows // (mesh.dp * mesh.fsdp)) % memory.gradient_accumulation_steps:
        invalid.append(
            Violation(
                field="memory.gradientAccumulationSteps",
                message=f"{memory.gradient_accumulation_steps} does not divide the {shard_rows} rows of each "
                f"dp x fsdp shard: use a divisor of it",
            )
        )
    if memory.mlp_tile is not None and (context_length % memory.mlp_tile or memory.mlp_tile % mesh.sp):
        invalid.append(
            Violation(
                field="memory.mlpTile",
                message=f"{memory.mlp_tile} is not both a divisor of contextLength {context_length} and a multiple of sp {mesh.sp}: "
                f"leave it out, or use one that is",
            )
        )
    if model.heads % mesh.tp:
        invalid.append(Violation(field="mesh.tp", message=f"{mesh.tp} does not divide model.heads {model.heads}: use a divisor of it"))
    if model.kv_heads % mesh.tp and mesh.tp % model.kv_heads:
        invalid.append(
            Violation(
                field="mesh.tp",
                message=f"{mesh.tp} is neither a divisor nor a multiple of model.kvHeads {model.kv_heads}: use "
                f"{_near(mesh.tp, model.kv_heads)}, or a divisor of {model.kv_heads}",
            )
        )
    if model.heads % model.kv_heads:
        invalid.append(
            Violation(field="model.kvHeads", message=f"{model.kv_heads} does not divide model.heads {model.heads}: use a divisor of it")
        )
    if model.head_dim % 2:
        invalid.append(
            Violation(field="model.headDim", message=f"{model.head_dim} is odd: rotary embedding turns pairs, use an even number")
        )
    if mesh.ulysses is not None and mesh.ulysses not in (degrees := ulysses_degrees(model, mesh)):
        invalid.append(
            Violation(
                field="mesh.ulysses",
                message=f"{mesh.ulysses} does not divide both sp {mesh.sp} and the query heads of a tp shard, heads {model.heads} / tp "
                f"{mesh.tp}: use {', '.join(map(str, degrees))}, or leave it out and the fastest is chosen",
            )
        )
    if (scaling := model.rope_scaling) is not None and scaling.high_frequency_factor <= scaling.low_frequency_factor:
        invalid.append(
            Violation(
                field="model.ropeScaling.highFrequencyFactor",
                message=f"{scaling.high_frequency_factor} is not above lowFrequencyFactor {scaling.low_frequency_factor}: raise it",
            )
        )
    for axis, name, size in (
        ("tp", "mlpWidth", model.mlp_width),
        ("tp", "vocabSize", model.vocab_size),
        *((("tp", "vision.vocabSize", model.vision.vocab_size),) if model.vision is not None else ()),
        ("fsdp x sp", "width", model.width),
    ):
        parts = mesh.tp if axis == "tp" else mesh.fsdp * mesh.sp
        if size % parts:
            invalid.append(
                Violation(
                    field=f"model.{name}",
                    message=f"{size} is not a multiple of {axis} = {parts}, its shards: use {_near(size, parts)} or another mesh",
                )
            )
    return invalid


def optimizer_violations(optimizer: Optimizer, steps: int) -> list[Violation]:
    """Violations of an optimizer in a stage of `steps` steps."""
    invalid: list[Violation] = []
    if optimizer.decay_steps is not None and optimizer.warmup_steps + optimizer.decay_steps >= steps:
        invalid.append(
            Violation(
                field="optimizer.decaySteps",
                message=f"{optimizer.decay_steps} and warmupSteps {optimizer.warmup_steps} leave none of the stage's {steps} steps at the "
                "peak: lower one of them",
            )
        )
    if optimizer.skip_spikes is not None and optimizer.skip_spikes.window >= steps:
        invalid.append(
            Violation(
                field="optimizer.skipSpikes.window",
                message=f"{optimizer.skip_spikes.window} is not less than the stage's {steps} steps, so that no step could be skipped: "
                "lower it, or leave skipSpikes out",
            )
        )
    return invalid


def _near(value: int, step: int) -> int:
    return max(step, round(value / step) * step)
