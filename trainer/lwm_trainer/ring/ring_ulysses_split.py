"""How `mesh.sp` is divided between ring attention and Ulysses: as `mesh.ulysses` says, or by a small cost model.

The model is pure and does not use JAX: from one run config every process and every attempt of a stage gets the same split, and with it the
same bits.

It counts the communication of a layer, forward and backward; the attention itself costs the same for every split.
- A ring of R ranks makes R - 1 hops. Keys and values travel forward; keys, values and their float32 gradients travel backward; then the
  gradients make a last hop and return to their own rank. Part of a hop overlaps with the attention to one shard. Rows of one document are
  assumed; shorter documents end the ring early.
- A Ulysses group of U devices exchanges queries, keys, values and outputs: forward, in rematerialization, and for the gradients. These
  twelve exchanges overlap with nothing. Where U does not divide the key heads, key heads are repeated, for the ring as well.
"""

import math
from typing import NamedTuple

from lwm_trainer.config import Mesh, Model, RunConfig, ulysses_degrees

GRAD_BYTES = 4
EXCHANGES = 12
"""Exchanges per layer and step: queries, keys, values and outputs, three times each."""

OVERLAP = 0.5
"""The share of a hop that overlaps with attention, if attention takes long enough. An estimate between this ring's schedule, which allows
full overlap, and the only published comparison of long rings, which had almost none: MaxText, Llama 3 8B on 64 v5p chips, where a ring of
64 loses to 16 x 4 about as much as its hops take (12, 26 and 40 ms per layer at 64K, 128K and 256K tokens; the hops take 12, 24, 47 ms)."""


class Link(NamedTuple):
    """A connection between two devices."""

    bytes_per_second: float
    """Bandwidth of one device, one way."""
    seconds: float
    """Latency of a message."""


class DeviceRates(NamedTuple):
    """How fast a device computes attention and communicates."""

    flops: float
    """FLOP/s of attention in the type of activations that kernels reach, not the peak."""
    inside: Link
    """To a device of the same host."""
    across: Link
    """To a device of another host."""
    torus: bool
    """Whether an exchange is routed through the devices in between, as on a TPU, and not through a switch."""


DEVICE_RATES: dict[str, DeviceRates] = {
    # Measured roughly, with two processes of four devices on two busy cores: a permute or exchange of 2 KiB takes 0.1 to 0.6 ms within a
    # process and 3 ms through Gloo; one of 1 MiB takes 2 to 3 ms either way. The FLOP/s of a device are an estimate.
    "cpu": DeviceRates(2.5e10, Link(5e8, 3e-4), Link(5e8, 3e-3), torus=False),
    # H100: 989 TFLOP/s peak in bfloat16; FlashAttention-3 reaches 740 forward and less backward (60 % is an estimate). NVLink 450 GB/s one
    # way; one 400 Gb/s adapter per device; the latencies of NCCL are estimates.
    "gpu": DeviceRates(5.9e14, Link(4.5e11, 1e-5), Link(5e10, 3e-5), torus=False),
    # v5p: 459 TFLOP/s peak in bfloat16 (50 % is an estimate: published rings of long rows reach 36 % over a whole step). 90 GB/s one way
    # over each link, and all hosts of a slice are on one torus; the latencies are estimates.
    "tpu": DeviceRates(2.3e14, Link(9e10, 2e-6), Link(9e10, 2e-6), torus=True),
}
"""By platform."""


class SplitCost(NamedTuple):
    """The communication of one Ulysses degree, for one layer and one device. Bytes are those that the device sends."""

    degree: int
    hop_seconds: float
    """All hops."""
    exposed_seconds: float
    """The part of `hop_seconds` that does not overlap with attention."""
    exchange_seconds: float
    hop_bytes: int
    exchange_bytes: int
    shard_bytes: int
    """Memory of keys and values, own and arriving, and of their float32 gradients, own and following."""

    @property
    def seconds(self) -> float:
        """Communication that does not overlap with attention."""
        return self.exposed_seconds + self.exchange_seconds


class Split(NamedTuple):
    """The chosen Ulysses degree."""

    degree: int
    text: str
    """The reason: a line for the choice, then one for each possible degree."""


class ResolvedMesh(NamedTuple):
    """A mesh whose Ulysses degree is decided."""

    mesh: Mesh
    """The run's mesh with its Ulysses degree, which devices, batches and manifest follow."""
    text: str
    """The reason for this degree, for the log."""


def resolve_mesh(run: RunConfig) -> ResolvedMesh:
    """The run's mesh with the Ulysses degree that it gives, otherwise with the cheapest one. The run config is not changed."""
    mesh = run.mesh
    if mesh.ulysses is not None:
        return ResolvedMesh(mesh, f"{_name(mesh, mesh.ulysses)}, as mesh.ulysses says")
    split = choose_split(
        run.model,
        mesh,
        activation_bytes=run.precision.compute_bytes,
        rows=run.rows,
        context_length=run.context_length,
        devices_per_host=run.gang.devices_per_host,
        chip=DEVICE_RATES[run.gang.platform],
    )
    return ResolvedMesh(mesh.model_copy(update={"ulysses": split.degree}), split.text)


def choose_split(
    model: Model, mesh: Mesh, *, activation_bytes: int, rows: int, context_length: int, devices_per_host: int, chip: DeviceRates
) -> Split:
    """Choose the Ulysses degree with the least cost; the smallest of equal ones.

    Args:
        activation_bytes: bytes of an element of queries, keys and values.
        rows: rows of the global batch.
        context_length: tokens of a row.
    """
    costs = [
        split_cost(
            model,
            mesh,
            degree,
            activation_bytes=activation_bytes,
            rows=rows,
            context_length=context_length,
            devices_per_host=devices_per_host,
            chip=chip,
        )
        for degree in ulysses_degrees(model, mesh)
    ]
    best = min(costs, key=lambda cost: (cost.seconds, cost.degree))
    if len(costs) == 1:
        return Split(best.degree, f"{_name(mesh, best.degree)}, the only possible one")
    others = ", ".join(f"{_milliseconds(cost.seconds)} (ulysses {cost.degree})" for cost in costs if cost is not best)
    first = f"{_name(mesh, best.degree)}: {_milliseconds(best.seconds)} of communication a layer, against {others}"
    return Split(best.degree, "\n".join([first, *map(_line, costs)]))


def split_cost(
    model: Model,
    mesh: Mesh,
    degree: int,
    *,
    activation_bytes: int,
    rows: int,
    context_length: int,
    devices_per_host: int,
    chip: DeviceRates,
) -> SplitCost:
    """The cost of one Ulysses degree, one of `config.ulysses_degrees`. Other arguments as in `choose_split`."""
    heads, key_heads = model.heads // mesh.tp, max(1, model.kv_heads // mesh.tp)
    sent_heads = math.lcm(key_heads, degree)
    ring = mesh.sp // degree
    local_rows = rows // (mesh.dp * mesh.fsdp)
    token_head = local_rows * context_length // mesh.sp * model.head_dim  # elements of one head for the tokens of one device

    pair = 2 * token_head * sent_heads  # elements of a shard's keys and values: U times the tokens, 1/U of the heads
    forward = 2 * local_rows * context_length**2 * heads * model.head_dim / mesh.sp / chip.flops / ring  # seconds for one shard, causal
    link = chip.inside if devices_per_host % (mesh.sp * mesh.tp) == 0 else chip.across

    def transfer(values: int, gradients: int, compute: float) -> tuple[int, float, float]:
        """One hop of this many pairs of key and value arrays, and of their float32 gradients, beside `compute` seconds of attention: bytes,
        seconds, and seconds that do not overlap."""
        sent = pair * (values * activation_bytes + gradients * GRAD_BYTES)
        seconds = 2 * (values + gradients) * link.seconds + sent / link.bytes_per_second
        return sent, seconds, seconds - OVERLAP * min(seconds, compute)

    transfers = []
    if ring > 1:  # the gradients return to their own rank in one transfer, which overlaps with nothing
        hop = [transfer(1, 0, forward), transfer(1, 1, 2.5 * forward)]
        transfers = hop * (ring - 1) + [transfer(0, 1, 2.5 * forward), transfer(0, 1, 0.0)]
    exchanged = 3 * 2 * token_head * (heads + sent_heads) * activation_bytes if degree > 1 else 0
    return SplitCost(
        degree=degree,
        hop_seconds=sum(seconds for _, seconds, _ in transfers),
        exposed_seconds=sum(exposed for _, _, exposed in transfers),
        exchange_seconds=_exchange(exchanged, degree, mesh.tp, devices_per_host, chip),
        hop_bytes=sum(sent for sent, _, _ in transfers),
        exchange_bytes=exchanged * (degree - 1) // degree,
        shard_bytes=2 * pair * (activation_bytes + GRAD_BYTES),
    )


def _exchange(sent: int, degree: int, tp: int, devices_per_host: int, chip: DeviceRates) -> float:
    """Seconds of all exchanges of a layer within groups of `degree` devices that are `tp` devices apart."""
    if degree == 1:
        return 0.0
    on_host = max(1, math.gcd(degree * tp, devices_per_host) // tp)  # members of the group on one host
    link = chip.inside if on_host == degree else chip.across
    latency = EXCHANGES * link.seconds
    if chip.torus:
        # Groups are strips two devices wide: half of what each device sends passes the two links in the middle of the strip.
        return latency + sent * max(1 / 2, degree / 8) / link.bytes_per_second
    inside = sent * (on_host - 1) / degree / chip.inside.bytes_per_second
    across = sent * (degree - on_host) / degree / chip.across.bytes_per_second
    return latency + max(inside, across)


def _name(mesh: Mesh, degree: int) -> str:
    return f"mesh.sp {mesh.sp} = ring {mesh.sp // degree} x ulysses {degree}"


def _line(cost: SplitCost) -> str:
    return (
        f"  ulysses {cost.degree}: {_milliseconds(cost.exposed_seconds)} of exposed hops, {_milliseconds(cost.hop_seconds)} in all, "
        f"{_mebibytes(cost.hop_bytes)} sent; {_milliseconds(cost.exchange_seconds)} of exchanges, {_mebibytes(cost.exchange_bytes)} sent; "
        f"keys, values and gradients take {_mebibytes(cost.shard_bytes)}"
    )


def _milliseconds(seconds: float) -> str:
    return f"{_figure(1e3 * seconds)} ms"


def _mebibytes(count: int) -> str:
    return f"{_figure(count / 2**20)} MiB"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
