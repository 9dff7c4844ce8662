"""How `mesh.sp` is split into a ring of groups that trade tokens for heads (Ulysses): given, or the cheapest by a small cost model.

Pure and without JAX: of one run config every process and every attempt of a stage gets the same split, and with it the same bits.

What a layer pays, forward and backward together, beside its attention itself, which no split changes:
- A ring of R ranks makes R - 1 hops: keys and values forward, keys, values and their float32 gradients backward; then the gradients
  move on and go home. Part of a move hides behind the attention of one shard. Documents end the ring early; a row of one is assumed.
- A group of U trades queries, keys, values and outputs, in the forward pass, when the layer is rematerialised, and their gradients:
  twelve exchanges that hide behind nothing. Where U does not divide the key heads, these are repeated, for the ring as well.
"""

import math
from typing import NamedTuple

from lwm_trainer.config import Mesh, Model, RunConfig, ulysses_degrees

GRAD_BYTES = 4
EXCHANGES = 12
"""Queries, keys, values and outputs, three times."""

HIDDEN = 0.5
"""The share of a hop that hides, where attention is long enough. An estimate between our schedule, which could hide it all, and the one
published comparison on long rings, which hid next to nothing: MaxText, Llama 3 8B on 64 v5p chips, where a ring of 64 loses to 16 x 4
about what its hops take (12, 26 and 40 ms a layer at 64K, 128K and 256K; the hops take 12, 24 and 47 ms)."""


class Link(NamedTuple):
    bytes_per_second: float
    """One way, of one device."""
    seconds: float
    """What a message takes however short it is."""


class Chip(NamedTuple):
    flops: float
    """A second, of attention in the model's dtype: what kernels reach, not the peak."""
    inside: Link
    """To a device of the same host."""
    across: Link
    """To another host."""
    torus: bool
    """Whether an exchange goes by way of the devices between, as on a TPU, and not through a switch."""


CHIPS: dict[str, Chip] = {
    # CompileResult roughly, two processes of four devices on two busy cores: a permute or exchange of 2 KiB takes 0.1 to 0.6 ms within a
    # process and 3 ms through Gloo, of 1 MiB 2 to 3 ms either way. The compute of a device is an estimate.
    "cpu": Chip(2.5e10, Link(5e8, 3e-4), Link(5e8, 3e-3), torus=False),
    # H100: 989 TF/s peak in bfloat16, FlashAttention-3 reaches 740 forward and less backward (60 % is an estimate); NVLink 450 GB/s one
    # way; a 400 Gb/s adapter for each device; microseconds of NCCL are estimates.
    "gpu": Chip(5.9e14, Link(4.5e11, 1e-5), Link(5e10, 3e-5), torus=False),
    # v5p: 459 TF/s peak in bfloat16 (50 % is an estimate: published rings of long rows reach 36 % of a whole step); 90 GB/s one way over
    # each link, and all hosts of a slice are on one torus; microseconds are an estimate.
    "tpu": Chip(2.3e14, Link(9e10, 2e-6), Link(9e10, 2e-6), torus=True),
}
"""By platform."""


class Cost(NamedTuple):
    """Of one degree, for one layer and one device. Bytes are what the device sends."""

    degree: int
    hop_seconds: float
    """All hops, hidden or not."""
    shown_seconds: float
    """What of them does not hide."""
    exchange_seconds: float
    hop_bytes: int
    exchange_bytes: int
    shard_bytes: int
    """Keys and values, own and arriving, and their float32 gradients, own and following."""

    @property
    def seconds(self) -> float:
        return self.shown_seconds + self.exchange_seconds


class Split(NamedTuple):
    degree: int
    text: str
    """Why: one line for the split, then one for each degree that was possible."""


class ResolvedMesh(NamedTuple):
    mesh: Mesh
    """The run's mesh with its Ulysses degree given: what devices, batches and manifest are laid out by."""
    text: str
    """Why this degree, in lines for people."""


def resolve_mesh(run: RunConfig) -> ResolvedMesh:
    """The run's mesh with the Ulysses degree that it gives, or else with the cheapest one. The run config itself is left as it is."""
    mesh = run.mesh
    if mesh.ulysses is not None:
        return ResolvedMesh(mesh, f"{_name(mesh, mesh.ulysses)}, as mesh.ulysses says")
    split = choose_split(
        run.model,
        mesh,
        rows=run.rows,
        context_length=run.context_length,
        devices_per_host=run.gang.devices_per_host,
        chip=CHIPS[run.gang.platform],
    )
    return ResolvedMesh(mesh.model_copy(update={"ulysses": split.degree}), split.text)


def choose_split(model: Model, mesh: Mesh, *, rows: int, context_length: int, devices_per_host: int, chip: Chip) -> Split:
    """The degree with the least cost; of equal ones the smallest.

    Args:
        rows: of the global batch.
        context_length: tokens of a row.
    """
    costs = [
        cost(model, mesh, degree, rows=rows, context_length=context_length, devices_per_host=devices_per_host, chip=chip)
        for degree in ulysses_degrees(model, mesh)
    ]
    best = min(costs, key=lambda each: (each.seconds, each.degree))
    if len(costs) == 1:
        return Split(best.degree, f"{_name(mesh, best.degree)}, the only possible one")
    others = ", ".join(f"{_milliseconds(each.seconds)} (ulysses {each.degree})" for each in costs if each is not best)
    first = f"{_name(mesh, best.degree)}: {_milliseconds(best.seconds)} of communication a layer, against {others}"
    return Split(best.degree, "\n".join([first, *map(_line, costs)]))


def cost(model: Model, mesh: Mesh, degree: int, *, rows: int, context_length: int, devices_per_host: int, chip: Chip) -> Cost:
    """What the split costs; `degree` is one of `config.ulysses_degrees`."""
    width = model.dtype_bytes
    heads, key_heads = model.heads // mesh.tp, model.kv_heads // mesh.tp
    sent_heads = math.lcm(key_heads, degree)
    ring = mesh.sp // degree
    local_rows = rows // (mesh.dp * mesh.fsdp)
    token_head = local_rows * context_length // mesh.sp * model.head_dim  # elements of one head of the tokens of one device

    pair = 2 * token_head * sent_heads  # elements of a shard's keys and values: U times the tokens, 1/U of the heads
    forward = 2 * local_rows * context_length**2 * heads * model.head_dim / mesh.sp / chip.flops / ring  # seconds of a shard; causal
    link = chip.inside if devices_per_host % (mesh.sp * mesh.tp) == 0 else chip.across

    def move(of_model: int, of_float32: int, behind: float) -> tuple[int, float, float]:
        """So many pairs on their way together, while attention takes `behind` seconds: bytes, seconds, seconds that do not hide."""
        sent = pair * (of_model * width + of_float32 * GRAD_BYTES)
        seconds = 2 * (of_model + of_float32) * link.seconds + sent / link.bytes_per_second
        return sent, seconds, seconds - HIDDEN * min(seconds, behind)

    moves = []
    if ring > 1:  # the gradients' last move goes home, all that way at once, with nothing left to hide behind
        hop = [move(1, 0, forward), move(1, 1, 2.5 * forward)]
        moves = hop * (ring - 1) + [move(0, 1, 2.5 * forward), move(0, 1, 0.0)]
    exchanged = 3 * 2 * token_head * (heads + sent_heads) * width if degree > 1 else 0
    return Cost(
        degree=degree,
        hop_seconds=sum(seconds for _, seconds, _ in moves),
        shown_seconds=sum(shown for _, _, shown in moves),
        exchange_seconds=_exchange(exchanged, degree, mesh.tp, devices_per_host, chip),
        hop_bytes=sum(sent for sent, _, _ in moves),
        exchange_bytes=exchanged * (degree - 1) // degree,
        shard_bytes=2 * pair * (width + GRAD_BYTES),
    )


def _exchange(sent: int, degree: int, tp: int, devices_per_host: int, chip: Chip) -> float:
    """Seconds of all exchanges of a layer within groups of `degree` neighbours that are `tp` devices apart."""
    if degree == 1:
        return 0.0
    here = max(1, math.gcd(degree * tp, devices_per_host) // tp)  # members of the group on one host
    link = chip.inside if here == degree else chip.across
    wait = EXCHANGES * link.seconds
    if chip.torus:
        # Groups are strips two devices wide: half of what each device sends goes through the two links in the strip's middle.
        return wait + sent * max(1 / 2, degree / 8) / link.bytes_per_second
    inside = sent * (here - 1) / degree / chip.inside.bytes_per_second
    across = sent * (degree - here) / degree / chip.across.bytes_per_second
    return wait + max(inside, across)


def _name(mesh: Mesh, degree: int) -> str:
    return f"mesh.sp {mesh.sp} = ring {mesh.sp // degree} x ulysses {degree}"


def _line(each: Cost) -> str:
    return (
        f"  ulysses {each.degree}: {_milliseconds(each.shown_seconds)} of hops shown, {_milliseconds(each.hop_seconds)} in all, "
        f"{_mebibytes(each.hop_bytes)} sent; {_milliseconds(each.exchange_seconds)} of exchanges, {_mebibytes(each.exchange_bytes)} sent; "
        f"keys, values and gradients take {_mebibytes(each.shard_bytes)}"
    )


def _milliseconds(seconds: float) -> str:
    return f"{_figure(1e3 * seconds)} ms"


def _mebibytes(count: int) -> str:
    return f"{_figure(count / 2**20)} MiB"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
