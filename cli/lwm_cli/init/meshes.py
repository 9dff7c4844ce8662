"""Mesh and memory settings of each stage, by arithmetic alone: milliseconds, where `lwm fit` compiles for minutes or hours."""

from dataclasses import dataclass

from lwm_cli.errors import FileError
from lwm_cli.init.accelerators import Devices
from lwm_cli.init.ladder import Rung
from lwm_trainer.config import Checkpoint, Dataset, Gang, Memory, Mesh, Model, Precision, RunConfig
from lwm_trainer.config.accelerator_families import GIB
from lwm_trainer.fit.candidates import candidates
from lwm_trainer.fit.estimate.memory_estimate import estimate_memory
from lwm_trainer.fit.estimate.step_time import estimate_step_time

SHARE = 0.8
"""The share of a device's memory that the estimate may need: it is coarse."""
POLICIES = ("products", "qkv", "attention", "full")
"""Rematerialization that is proposed: `none` leaves no room for what the estimate misses, `offload` needs memory of the host."""


@dataclass(frozen=True)
class Proposal:
    """Settings that should fit."""

    mesh: Mesh
    memory: Memory
    needed: int
    """Bytes of a device, by the estimate."""
    seconds: float
    """Estimated time of a step."""


def propose(model: Model, rung: Rung, devices: Devices, compute: Precision) -> Proposal:
    """The fastest settings by estimate whose memory fits. Raises FileError where none does."""
    gang = devices.gang
    run = RunConfig.model_construct(
        training="init",
        stage="init",
        stage_index=0,
        stage_count=1,
        attempt=1,
        gang=Gang(
            job="init",
            service="init",
            slices=gang.slices,
            hosts=gang.hosts,
            devices_per_host=gang.devices_per_host,
            platform=gang.platform,
            coordinator="init:1",
        ),
        mesh=Mesh(dp=gang.devices),
        model=model,
        precision=compute,
        tokenizer="/none",
        datasets=(Dataset(name="none", kind="text", uri="/none"),),
        context_length=rung.context_length,
        batch_tokens=rung.batch_tokens,
        rope_theta=rung.theta,
        steps=1,
        checkpoint=Checkpoint(root="/none", save_interval_steps=1),
    )
    every = [run for run in candidates(run, devices.device) if run.memory.remat in POLICIES and _stays_in_host(run)]
    if not every:
        raise FileError(
            f"{rung.context_length:,} tokens on {devices.words}: no mesh of {gang.devices} devices divides the model and a step's rows, "
            "or none comes near the memory: use more devices or another number of them"
        )
    sizes = {number: estimate_memory(each).total for number, each in enumerate(every)}
    fitting = next((number for number, size in sizes.items() if size <= SHARE * devices.usable_bytes), None)
    if fitting is None:
        least = min(sizes.values())
        raise FileError(
            f"{rung.context_length:,} tokens on {devices.words}: by the estimate at least {least / GIB:.0f} GiB of a device are needed, "
            f"and {SHARE:.0%} of its {devices.usable_bytes / GIB:.0f} GiB may be: use more devices, or a smaller --target-length"
        )
    chosen = every[fitting]
    seconds = estimate_step_time(chosen, devices.device).seconds
    return Proposal(chosen.mesh.model_copy(update={"ulysses": None}), chosen.memory, sizes[fitting], seconds)


def _stays_in_host(run: RunConfig) -> bool:
    """Whether tensor parallelism stays where GPUs have a fast network."""
    return run.gang.platform != "gpu" or run.mesh.tp <= run.gang.devices_per_host
