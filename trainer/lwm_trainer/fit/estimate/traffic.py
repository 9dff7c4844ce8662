"""Bytes that one device sends in a step, by purpose: arithmetic, held against the collectives of compiled programs in `tests/tpu`.

Of a group of n devices each sends (n-1)/n of what it gathers or scatters and twice that in an all-reduce, as in
`lwm_trainer.fit.compile.collectives`. Left out are what is below a percent for a large model: norms, places of tokens, scalars, and Muon's
products.
"""

from dataclasses import dataclass

from lwm_trainer.config import RunConfig
from lwm_trainer.fit.estimate.flops import copied_parameters, device_parameters, parameter_counts
from lwm_trainer.ring import ring_ulysses_split

FLOAT32 = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTraffic:
    """Bytes that one device sends in a step."""

    parameters: int
    """Gathers of parameters, and sums of their gradients over fsdp and sp."""
    ring: int
    """Hops of keys, values and their gradients."""
    ulysses: int
    """Exchanges of tokens for heads and back."""
    tp: int
    """Sums of the stream and its gradients."""
    replicas: int
    """Sums of gradients over dp."""

    @property
    def total(self) -> int:
        return self.parameters + self.ring + self.ulysses + self.tp + self.replicas


def step_traffic(run: RunConfig) -> StepTraffic:
    """Traffic of a run whose `mesh.ulysses` is given, with rows of one document each, so that the ring goes all the way round."""
    parts, layers = run.memory.gradient_accumulation_steps, run.model.layers
    cost = ring_ulysses_split.split_cost(
        run.model,
        run.mesh,
        run.mesh.ulysses or 1,
        activation_bytes=run.precision.compute_bytes,
        rows=run.rows // parts,
        context_length=run.context_length,
        devices_per_host=run.gang.devices_per_host,
        chip=ring_ulysses_split.DEVICE_RATES[run.gang.platform],
    )
    return StepTraffic(
        parameters=parameter_bytes(run),
        ring=round(layers * parts * cost.hop_bytes * ring_passes(run)),
        ulysses=round(layers * parts * cost.exchange_bytes * exchanges_share(run)),
        tp=tp_bytes(run),
        replicas=replica_bytes(run, run.mesh.dp),
    )


def parameter_bytes(run: RunConfig) -> int:
    """Each part of a step gathers a layer's parameters twice, forward and backward, and scatters its float32 gradients once.

    Embeddings and heads are gathered once, and their float32 gradients are summed on every device. A TPU's compiler does both by
    all-reduces, since their shards lie along several axes.
    """
    width, mesh, counts = run.precision.compute_bytes, run.mesh, parameter_counts(run.model)
    shards = mesh.fsdp * mesh.sp
    copied = copied_parameters(run)
    layers = counts.layers * ((counts.layer - copied) // mesh.tp + copied)
    ends = (counts.head + counts.embedding) // mesh.tp
    sent = layers * (2 * width + FLOAT32) + ends * 2 * (width + FLOAT32)
    return run.memory.gradient_accumulation_steps * sent * (shards - 1) // shards


def ring_passes(run: RunConfig) -> float:
    """Hops of a step over those of one forward and one backward pass.

    Attention that is computed again sends keys and values round the ring once more: a quarter of all hop bytes for a model in bfloat16.
    """
    return 1.25 if run.memory.remat == "full" else 1.0


def exchanges_share(run: RunConfig) -> float:
    """Exchanges of a step over the twelve of `ring_ulysses_split`: four of them are made again, unless all activations are kept."""
    return 2 / 3 if run.memory.remat == "none" else 1.0


def tp_bytes(run: RunConfig) -> int:
    """Attention, MLP and their gradients each end in a sum over tp; rematerialization repeats that of attention."""
    tp, sums = run.mesh.tp, 4 if run.memory.remat in ("none", "products") else 5
    tokens = run.batch_tokens // (run.mesh.size // tp)
    return run.model.layers * sums * 2 * tokens * run.model.width * run.precision.compute_bytes * (tp - 1) // tp


def replica_bytes(run: RunConfig, members: int) -> int:
    """A sum over some members of dp: each part of a step sums the float32 gradients of a device's parameters."""
    return 2 * FLOAT32 * run.memory.gradient_accumulation_steps * device_parameters(run) * (members - 1) // members
