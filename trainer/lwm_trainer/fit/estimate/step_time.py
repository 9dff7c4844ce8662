"""An estimate of the time of one step, phase by phase, each with its formula and numbers as text.

The total is the sum of the phases. Communication that overlaps with computation is subtracted within its phase: the seconds of a phase are
the exposed ones.
"""

from dataclasses import dataclass

from lwm_trainer.config import RunConfig
from lwm_trainer.config.accelerator_families import Device
from lwm_trainer.fit.estimate.flops import StepFlops, device_parameters, parameter_counts, step_flops
from lwm_trainer.fit.estimate.optimizer_cost import orthogonalization, state_bytes
from lwm_trainer.fit.estimate.traffic import exchanges_share, parameter_bytes, replica_bytes, ring_passes, tp_bytes
from lwm_trainer.ring import ring_ulysses_split

MATMUL_SHARE = 0.7
"""Share of the peak that matrix products of the layers and the head reach. MaxText publishes 67 % for whole steps of a 32B model on 256 v5e
(MaxText/configs/v5e), recomputation and communication included."""

ATTENTION_MOST = 0.87
BLOCK_COST = 840
"""Attention kernels reach 0.87 x block / (block + 840) of the peak: a grid step computes block^2 pairs, and its other costs (fetching, rows
of the softmax, accumulators) grow with the sides of the block. The two constants are fitted to two published steps on v5p with known blocks
of 512 and 2048 tokens; `published` has the errors of all others. For heads of 128 channels, and the same for every family."""

BLOCK = 1024
"""Tokens of a side of a block of the trainer's TPU kernels, forward and backward (`ring.kernels.splash`)."""

ICI_SHARE = 0.9
"""Share of a link's rate that collectives reach: the published all-reduce rate of v4 is 4.5e10 of 5e10 bytes/s per link (see
`lwm_trainer.config.accelerator_families`)."""

ICI_SECONDS = 2e-6
"""Latency of a message: an estimate, as in `lwm_trainer.ring.ring_ulysses_split`."""

PARAMETER_OVERLAP = 0.5
"""Share of parameter gathers and gradient scatters that overlaps with computation, if that takes long enough: an estimate."""

FLOAT32 = 4

FLOAT32_PASSES = 6
"""Passes of a TPU's matrix unit, which multiplies bfloat16, for one float32 product of JAX's precision `highest`
(docs.jax.dev, jax.lax.Precision)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One part of a step."""

    name: str
    seconds: float
    """Exposed seconds."""
    text: str
    """The formula with its numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimeEstimate:
    """The estimated time of one step."""

    phases: tuple[Phase, ...]
    model_flops: int
    """FLOPs of a step over all devices, without recomputation."""
    hardware_flops: int
    """The same with recomputation."""
    mfu: float
    """Model FLOP/s over the peak of all devices."""

    @property
    def seconds(self) -> float:
        return sum(phase.seconds for phase in self.phases)

    @property
    def text(self) -> str:
        lines = [f"{phase.name:<22} {phase.seconds:10.4f} s  {phase.text}" for phase in self.phases]
        return "\n".join([*lines, f"{'step':<22} {self.seconds:10.4f} s  the sum; model FLOPs utilization {self.mfu:.1%}"])


def attention_share(block: int) -> float:
    """Share of the peak that attention kernels reach with blocks of this many tokens."""
    return ATTENTION_MOST * block / (block + BLOCK_COST)


def estimate_step_time(run: RunConfig, device: Device, *, block: int = BLOCK) -> StepTimeEstimate:
    """Time of a step of a run whose `mesh.ulysses` is given, with rows of one document each. Raises ValueError where it is not given.

    Args:
        block: tokens of a block of the attention kernels; the default is that of this trainer.
    """
    if run.mesh.ulysses is None:
        raise ValueError("mesh.ulysses: not given, so exchanges cannot be estimated: see lwm_trainer.ring.ring_ulysses_split.resolve_mesh")
    work = step_flops(run)
    share = attention_share(block)
    compute = _compute(run, device, work, share)
    busy = sum(phase.seconds for phase in compute)
    phases = (
        *compute,
        *_sequence(run, device, share),
        _parameters(run, device, busy),
        _tensor(run, device),
        *_optimizer(run, device),
        *_replicas(run, device),
    )
    if run.memory.remat == "offload":
        phases = (*phases, _offload(run, device, busy))
    seconds = sum(phase.seconds for phase in phases)
    return StepTimeEstimate(
        phases=phases,
        model_flops=work.model,
        hardware_flops=work.hardware,
        mfu=work.model / seconds / (run.mesh.size * device.flops),
    )


def _compute(run: RunConfig, device: Device, work: StepFlops, attention: float) -> list[Phase]:
    passes = _passes(run)
    parts = (
        ("matmul", work.layers, MATMUL_SHARE),
        ("attention", work.attention, attention),
        ("loss", work.loss, MATMUL_SHARE),
    )
    return [
        Phase(
            name=name,
            seconds=passes * count / run.mesh.size / (device.flops * share),
            text=f"{passes} passes x {count:.3g} FLOPs / {run.mesh.size} devices / ({device.flops:.3g} a second x {share:.3g})",
        )
        for name, count, share in parts
    ]


def _sequence(run: RunConfig, device: Device, share: float) -> list[Phase]:
    """Ring hops and Ulysses exchanges, by the cost model that also chooses between the two."""
    link = ring_ulysses_split.Link(device.ici_rate * ICI_SHARE, ICI_SECONDS)
    degree, parts, layers, remat = run.mesh.ulysses or 1, run.memory.gradient_accumulation_steps, run.model.layers, run.memory.remat
    cost = ring_ulysses_split.split_cost(
        run.model,
        run.mesh,
        degree,
        activation_bytes=run.precision.compute_bytes,
        rows=run.rows // parts,
        context_length=run.context_length,
        devices_per_host=run.gang.devices_per_host,
        chip=ring_ulysses_split.DeviceRates(device.flops * share / _passes(run), link, link, torus=True),
    )
    reruns, exchanged = ring_passes(run), exchanges_share(run)
    return [
        Phase(
            name="ring hops",
            seconds=layers * parts * cost.exposed_seconds * reruns,
            text=f"{layers} layers x {parts} parts x {cost.exposed_seconds:.3g} s exposed of {cost.hop_seconds:.3g} s x {reruns:g} for "
            f"remat {remat}; {cost.hop_bytes:.3g} bytes sent by a ring of {run.mesh.ring}",
        ),
        Phase(
            name="ulysses exchanges",
            seconds=layers * parts * cost.exchange_seconds * exchanged,
            text=f"{layers} layers x {parts} parts x {cost.exchange_seconds:.3g} s x {exchanged:.2g} for remat {remat}; "
            f"{cost.exchange_bytes:.3g} bytes sent in a group of {degree}",
        ),
    ]


def _parameters(run: RunConfig, device: Device, busy: float) -> Phase:
    sent, rate = parameter_bytes(run), _ring_rate(run, device, run.mesh.fsdp * run.mesh.sp)
    total = sent / rate
    return Phase(
        name="parameter gathers",
        seconds=total - PARAMETER_OVERLAP * min(total, busy),
        text=f"{sent:.3g} bytes gathered and scattered / {rate:.3g} bytes a second = {total:.3g} s, of which {PARAMETER_OVERLAP:.0%} "
        f"overlaps with {busy:.3g} s of compute",
    )


def _tensor(run: RunConfig, device: Device) -> Phase:
    sent, rate = tp_bytes(run), _ring_rate(run, device, run.mesh.tp)
    return Phase(name="tp all-reduces", seconds=sent / rate, text=f"{sent:.3g} bytes / {rate:.3g} bytes a second")


def _optimizer(run: RunConfig, device: Device) -> list[Phase]:
    """The optimizer reads gradients (twice, first for their norm), parameters and its state, and writes the last two."""
    count, state = device_parameters(run), state_bytes(run) / parameter_counts(run.model).total
    phases = [
        Phase(
            name="optimizer",
            seconds=(4 * FLOAT32 + 2 * state) * count / device.hbm_rate,
            text=f"(4 x {FLOAT32} + 2 x {state:.3g}) bytes x {count:.3g} parameters of a device / {device.hbm_rate:.3g} bytes of HBM "
            f"a second",
        )
    ]
    if run.optimizer.name == "muon":
        work, shards, passes = orthogonalization(run.model), run.mesh.fsdp * run.mesh.sp, _passes(run)
        devices, rate = shards * run.mesh.tp, _ring_rate(run, device, shards)
        sent = FLOAT32 * work.gathered * (shards - 1) / devices
        phases.append(
            Phase(
                name="orthogonalization",
                seconds=passes * work.flops / devices / (device.flops * MATMUL_SHARE) + sent / rate,
                text=f"{passes} passes x {work.flops:.3g} FLOPs / {devices} devices / ({device.flops:.3g} a second x {MATMUL_SHARE:g}) + "
                f"{sent:.3g} bytes / {rate:.3g} bytes a second",
            )
        )
    return phases


def _replicas(run: RunConfig, device: Device) -> list[Phase]:
    """Gradients are summed over dp: within a slice over its torus, then between slices over the data center network (DCN)."""
    slices = run.gang.slices
    within = run.mesh.dp // slices
    phases = []
    for name, members, rate in (("dp in a slice", within, _ring_rate(run, device, within)), ("dp between slices", slices, device.dcn_rate)):
        sent = replica_bytes(run, members)
        phases.append(Phase(name=name, seconds=sent / rate, text=f"{sent:.3g} bytes to {members - 1} others / {rate:.3g} bytes a second"))
    return phases


def _offload(run: RunConfig, device: Device, busy: float) -> Phase:
    """The input of each layer and the output of its attention go to the host and back, both ways at once, overlapping with computation."""
    element = run.precision.compute_bytes
    tokens = run.batch_tokens // (run.mesh.size // run.mesh.tp)
    width = run.model.width + run.model.heads * run.model.head_dim // run.mesh.tp
    total = 2 * run.model.layers * tokens * width * element / device.host_rate
    return Phase(
        name="offload",
        seconds=max(0.0, total - busy),
        text=f"2 x {run.model.layers} layers x {tokens} tokens x {width} x {element} bytes / {device.host_rate:.3g} bytes a second = "
        f"{total:.3g} s beside {busy:.3g} s of compute",
    )


def _passes(run: RunConfig) -> int:
    """Passes of the matrix unit for a product."""
    return FLOAT32_PASSES if run.precision.matmul_precision == "highest" else 1


def _ring_rate(run: RunConfig, device: Device, members: int) -> float:
    """Bytes per second of a gather among `members` neighbours of a slice, which is taken as a cube of devices.

    A gather uses both directions of each torus axis that its members fill, and one direction if they fill none: a line has no wrap-around.
    """
    side = (run.mesh.size / run.gang.slices) ** (1 / device.dimensions)
    if members < 0.99 * side:
        return device.ici_rate * ICI_SHARE
    axes, reach = 1, side
    while axes < device.dimensions and members >= 0.99 * reach * side:
        axes, reach = axes + 1, reach * side
    return 2 * axes * device.ici_rate * ICI_SHARE
