"""How long one step takes, phase by phase; each phase says how it was computed, with the numbers put in.

The total is the sum of the phases. What hides behind compute is taken off within a phase: a phase's seconds are those that show.
"""

from dataclasses import dataclass

from lwm_trainer.config import RunConfig
from lwm_trainer.config.accelerator_families import Device
from lwm_trainer.fit.estimate.flops import Flops, flops, weights
from lwm_trainer.ring import ring_ulysses_split

MATMUL_SHARE = 0.7
"""Of the peak, that matrix products of the layers and the head reach. MaxText publishes 67 % for whole steps of 32B on 256 v5e
(MaxText/configs/v5e), which recomputation and communication are part of."""

ATTENTION_MOST = 0.87
BLOCK_COST = 840
"""Of the peak, attention's kernels reach 0.87 x block / (block + 840): a visit computes block^2 pairs, and what it costs beside its
products (fetching, softmax's rows, accumulators) goes with its sides. Two constants, fitted on two published steps of v5p that tell of
their blocks, of 512 and of 2048 tokens; `published` has the errors of all others. For heads of 128 channels, on every family alike."""

BLOCK = 768
"""Tokens of a block of the trainer's TPU kernels: 1024 x 1024 forward, 512 x 1024 backward (`ring.kernels.splash`); the harmonic
mean of their sides, weighed by their products."""

ICI_SHARE = 0.9
"""Of a link's rate, that collectives reach: v4's published all-reduce rate is 4.5e10 of 5e10 bytes a second and link
(see `lwm_trainer.config.accelerator_families`)."""

ICI_SECONDS = 2e-6
"""What a message takes however short it is: an estimate, as in `lwm_trainer.ring.ring_ulysses_split`."""

PARAMETERS_HIDDEN = 0.5
"""Of the gathers of parameters and scatters of gradients, that hides where compute is long enough: an estimate."""

FLOAT32 = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    name: str
    seconds: float
    """That show in the step."""
    text: str
    """The formula with its numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    phases: tuple[Phase, ...]
    model_flops: int
    """Of a step over all devices, without recomputation."""
    hardware_flops: int
    """The same with recomputation."""
    mfu: float
    """Model FLOPs a second over the peak of all devices."""

    @property
    def seconds(self) -> float:
        return sum(phase.seconds for phase in self.phases)

    @property
    def text(self) -> str:
        lines = [f"{phase.name:<22} {phase.seconds:10.4f} s  {phase.text}" for phase in self.phases]
        return "\n".join([*lines, f"{'step':<22} {self.seconds:10.4f} s  the sum; model FLOPs utilisation {self.mfu:.1%}"])


def attention_share(block: int) -> float:
    """Of the peak, that attention's kernels reach with blocks of so many tokens."""
    return ATTENTION_MOST * block / (block + BLOCK_COST)


def estimate(run: RunConfig, device: Device, *, block: int = BLOCK) -> Estimate:
    """Time of a step of a run whose `mesh.ulysses` is given, with rows of one document each. Raises ValueError where it is not given.

    Args:
        block: tokens of a block of attention's kernels; other than the trainer's for other people's.
    """
    if run.mesh.ulysses is None:
        raise ValueError("mesh.ulysses: not given, so exchanges cannot be estimated: see lwm_trainer.ring.ring_ulysses_split.resolve_mesh")
    work = flops(run)
    share = attention_share(block)
    compute = _compute(run, device, work, share)
    busy = sum(phase.seconds for phase in compute)
    phases = (
        *compute,
        *_sequence(run, device, share),
        _parameters(run, device, busy),
        _tensor(run, device),
        _optimizer(run, device),
        *_replicas(run, device),
    )
    if run.memory.remat == "offload":
        phases = (*phases, _offload(run, device, busy))
    seconds = sum(phase.seconds for phase in phases)
    return Estimate(
        phases=phases,
        model_flops=work.model,
        hardware_flops=work.hardware,
        mfu=work.model / seconds / (run.mesh.size * device.flops),
    )


def _compute(run: RunConfig, device: Device, work: Flops, attention: float) -> list[Phase]:
    parts = (
        ("matmul", work.layers, MATMUL_SHARE),
        ("attention", work.attention, attention),
        ("loss", work.loss, MATMUL_SHARE),
    )
    return [
        Phase(
            name=name,
            seconds=count / run.mesh.size / (device.flops * share),
            text=f"{count:.3g} FLOPs / {run.mesh.size} devices / ({device.flops:.3g} a second x {share:.3g})",
        )
        for name, count, share in parts
    ]


def _sequence(run: RunConfig, device: Device, share: float) -> list[Phase]:
    """The ring's hops and the exchanges of heads, by the cost model that also chooses between the two."""
    link = ring_ulysses_split.Link(device.ici_rate * ICI_SHARE, ICI_SECONDS)
    degree, parts, layers, remat = run.mesh.ulysses or 1, run.memory.gradient_accumulation_steps, run.model.layers, run.memory.remat
    each = ring_ulysses_split.split_cost(
        run.model,
        run.mesh,
        degree,
        rows=run.rows // parts,
        context_length=run.context_length,
        devices_per_host=run.gang.devices_per_host,
        chip=ring_ulysses_split.DeviceRates(device.flops * share, link, link, torus=True),
    )
    # Keys and values go round once more when the ring runs again: a quarter of what hops send, if the model is in bfloat16.
    around = 1.25 if remat == "full" else 1.0
    # Of the three times that heads are exchanged, the one of rematerialisation falls away where their products are kept.
    exchanged = 2 / 3 if remat in ("none", "qkv") else 1.0
    return [
        Phase(
            name="ring hops",
            seconds=layers * parts * each.exposed_seconds * around,
            text=f"{layers} layers x {parts} parts x {each.exposed_seconds:.3g} s shown of {each.hop_seconds:.3g} s x {around:g} for remat "
            f"{remat}; {each.hop_bytes:.3g} bytes sent by a ring of {run.mesh.ring}",
        ),
        Phase(
            name="ulysses exchanges",
            seconds=layers * parts * each.exchange_seconds * exchanged,
            text=f"{layers} layers x {parts} parts x {each.exchange_seconds:.3g} s x {exchanged:.2g} for remat {remat}; "
            f"{each.exchange_bytes:.3g} bytes sent in a group of {degree}",
        ),
    ]


def _parameters(run: RunConfig, device: Device, busy: float) -> Phase:
    """Parameters are gathered twice, forward and backward, and gradients scattered once, for every part of the accumulation."""
    each = run.model.dtype_bytes
    mesh, shards, parts = run.mesh, run.mesh.fsdp * run.mesh.sp, run.memory.gradient_accumulation_steps
    count = weights(run.model).total // mesh.tp
    rate = _ring_rate(run, device, shards)
    whole = 3 * parts * count * each * (shards - 1) / shards / rate
    return Phase(
        name="parameter gathers",
        seconds=whole - PARAMETERS_HIDDEN * min(whole, busy),
        text=f"3 x {parts} parts x {count:.3g} parameters x {each} bytes x {shards - 1}/{shards} / {rate:.3g} bytes a second = "
        f"{whole:.3g} s, of which {PARAMETERS_HIDDEN:.0%} hides behind {busy:.3g} s of compute",
    )


def _tensor(run: RunConfig, device: Device) -> Phase:
    """Attention and MLP each end in a sum over tp, and so do their gradients; attention's runs again with its output projection."""
    each = run.model.dtype_bytes
    tp, layers = run.mesh.tp, run.model.layers
    sums = 4 if run.memory.remat == "none" else 5
    tokens = run.batch_tokens // (run.mesh.size // tp)
    rate = _ring_rate(run, device, tp)
    sent = layers * sums * 2 * tokens * run.model.width * each * (tp - 1) / tp
    return Phase(
        name="tp all-reduces",
        seconds=sent / rate,
        text=f"{layers} layers x {sums} sums x 2 x {tokens} tokens x width {run.model.width} x {each} bytes x {tp - 1}/{tp} / "
        f"{rate:.3g} bytes a second",
    )


def _optimizer(run: RunConfig, device: Device) -> Phase:
    """Reads gradient (twice: its norm first), parameter and two moments; writes the last three; all float32."""
    count = _own(run)
    return Phase(
        name="optimizer",
        seconds=8 * FLOAT32 * count / device.hbm_rate,
        text=f"8 x {FLOAT32} bytes x {count:.3g} parameters of a device / {device.hbm_rate:.3g} bytes of HBM a second",
    )


def _replicas(run: RunConfig, device: Device) -> list[Phase]:
    """Gradients are summed over dp: within a slice over its torus, then between slices over the data center's network."""
    slices, within, count = run.gang.slices, run.mesh.dp // run.gang.slices, _own(run)
    found = []
    for name, members, rate in (("dp in a slice", within, _ring_rate(run, device, within)), ("dp between slices", slices, device.dcn_rate)):
        found.append(
            Phase(
                name=name,
                seconds=2 * FLOAT32 * count * (members - 1) / members / rate,
                text=f"2 x {FLOAT32} bytes x {count:.3g} parameters of a device x {members - 1}/{members} / {rate:.3g} bytes a second",
            )
        )
    return found


def _offload(run: RunConfig, device: Device, busy: float) -> Phase:
    """Each layer's input and attention's output go to the host and come back; both ways at once, and behind compute."""
    each = run.model.dtype_bytes
    tokens = run.batch_tokens // (run.mesh.size // run.mesh.tp)
    width = run.model.width + run.model.heads * run.model.head_dim // run.mesh.tp
    whole = 2 * run.model.layers * tokens * width * each / device.host_rate
    return Phase(
        name="offload",
        seconds=max(0.0, whole - busy),
        text=f"2 x {run.model.layers} layers x {tokens} tokens x {width} x {each} bytes / {device.host_rate:.3g} bytes a second = "
        f"{whole:.3g} s behind {busy:.3g} s of compute",
    )


def _own(run: RunConfig) -> int:
    """Parameters of one device."""
    return weights(run.model).total // (run.mesh.fsdp * run.mesh.sp * run.mesh.tp)


def _ring_rate(run: RunConfig, device: Device, members: int) -> float:
    """Bytes a second of a gather within so many neighbours of a slice, taken as a cube of devices.

    Both directions of as many torus axes as they fill; one direction where they fill none, as a line's ends are not joined.
    """
    side = (run.mesh.size / run.gang.slices) ** (1 / device.dimensions)
    if members < 0.99 * side:
        return device.ici_rate * ICI_SHARE
    axes, reach = 1, side
    while axes < device.dimensions and members >= 0.99 * reach * side:
        axes, reach = axes + 1, reach * side
    return 2 * axes * device.ici_rate * ICI_SHARE
