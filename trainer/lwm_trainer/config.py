"""The contract between the operator and the trainer.

Everything that the two must agree on stands here and nowhere else: the run config of one attempt of one stage (what the operator
mounts as a file), the exit codes (what the trainer leaves with), the progress report (what process 0 writes on its Lease and in its
termination message), and the names of files and variables. The operator imports this file and nothing else of the trainer, so it
needs pydantic and the standard library only.
"""

import math
from enum import IntEnum, StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

CONTRACT_VERSION: Literal[1] = 1

CONFIG_PATH = "/etc/lwm/run.json"
"""Where the run config is mounted (`LWM_CONFIG` overrides it outside a pod)."""

TERMINATION_PATH = "/dev/termination-log"
"""Where the last words go (`LWM_TERMINATION_PATH` overrides it outside a pod)."""

PROCESS_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
"""Set by Kubernetes in every pod of an Indexed Job: the host's index in its slice."""

SLICE_VARIABLE = "LWM_SLICE"
"""Set by the operator: the index of the pod's slice; 0 where it is not set."""

HIDDEN_VARIABLES = "LWM_HIDDEN_VARIABLES"
"""Names, with commas between them, of the variables whose values come from Secrets: they are in nothing that a process says."""

COORDINATOR_PORT = 8476
METRICS_PORT = 9090

PROGRESS_ANNOTATION = "lwm.dev/progress"
"""The annotation on the attempt's Lease that holds `Progress` as JSON."""

RENDEZVOUS_SECONDS = 900
"""How long the first pod waits for the last one: above an image pull and the time for which DNS remembers a missing name."""

PROGRESS_SECONDS = 10.0
"""How often process 0 renews its Lease; phase changes and commits are written at once."""

STEP_LINE_PREFIX = "lwm-step "
"""One JSON line a step on standard output starts with this: Gloo prints there too, lines torn into each other."""

ORIGIN_FILE = "origin.json"


class ExitCode(IntEnum):
    """What the trainer leaves with. 0 only when the stage's final checkpoint is committed."""

    COMPLETE = 0
    BAD_ARGUMENTS = 64
    """The command line or the environment is wrong. Permanent."""
    BAD_DATA = 65
    """Data or tokenizer is missing or corrupt. Permanent."""
    BAD_CHECKPOINT = 66
    """The checkpoint to start from does not fit the config. Permanent."""
    UNCAUGHT = 70
    """An exception nobody expected."""
    TRANSIENT = 75
    """Storage, network or rendezvous: worth another try."""
    HANG = 76
    """The trainer's own watchdog saw no step within its deadline."""
    STORAGE_DENIED = 77
    """The object store refused the credentials."""
    BAD_CONFIG = 78
    """The run config makes no sense. Permanent."""
    PEER_LOST = 79
    """Another process of the gang died: a victim, never the root cause."""
    DIVERGED = 80
    """Loss or gradient is not finite."""
    SAVED_ON_REQUEST = 81
    """SIGTERM: saved, then left. Never 0, which would count as completed."""
    GATE_FAILED = 82
    """The stage's evaluation gate was not met."""


SECONDARY_EXIT_CODES = frozenset({int(ExitCode.PEER_LOST), 134, 143})
"""Left by victims: peer lost, JAX's own abort when the gang breaks (134), our own delete (143)."""


class Contract(BaseModel):
    """A frozen record with camelCase names in JSON; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True)


class Mesh(Contract):
    """Sizes of the device mesh's axes; the product is the number of devices.

    dp: data parallel, parameters replicated. fsdp: data parallel, parameters sharded. tp: heads and MLP width sharded.
    sp: the sequence sharded; attention runs over it as a ring of sp / ulysses ranks, each a group of `ulysses` devices that trade tokens
    for heads. ulysses: a divisor of sp that divides the query heads of a tp shard, too; absent: the trainer chooses the fastest.
    """

    dp: Annotated[int, Field(ge=1, le=65536)] = 1
    """Replicas of the parameters, each with its own rows of a step. Only this axis crosses TPU slices: a multiple of their number."""
    fsdp: Annotated[int, Field(ge=1, le=65536)] = 1
    """Shards of the parameters' width, each with its own rows of a step. fsdp x sp divides model.width."""
    tp: Annotated[int, Field(ge=1, le=1024)] = 1
    """Shards of heads, MLP and vocabulary: a divisor of heads, kvHeads, mlpWidth and vocabSize. Best within one host."""
    sp: Annotated[int, Field(ge=1, le=65536)] = 1
    """Parts of a row: no device holds more than contextLength / sp tokens of it. 2 x sp divides contextLength; 1: no ring."""
    ulysses: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Devices of sp that trade tokens for heads; a divisor of sp and of heads / tp. 1: all of sp is a ring. Absent: the fastest."""

    @property
    def size(self) -> int:
        return self.dp * self.fsdp * self.tp * self.sp

    @property
    def ring(self) -> int:
        """Ranks of the ring: all of sp where no split is given or chosen."""
        return self.sp // (self.ulysses or 1)


class Model(Contract):
    """A Llama-family decoder. Widths are in units of one activation, e.g. `width=4096` for the 7B model."""

    layers: Annotated[int, Field(ge=1, le=512)]
    """Decoder blocks, computed one after the other with equal shapes."""
    width: Annotated[int, Field(ge=8, le=65536)]
    """Of the stream between layers; a multiple of mesh.fsdp x mesh.sp."""
    heads: Annotated[int, Field(ge=1, le=1024)]
    """Query heads of a layer; a multiple of mesh.tp."""
    kv_heads: Annotated[int, Field(ge=1, le=1024)]
    """Key and value heads: a divisor of heads and a multiple of mesh.tp. Equal to heads: every query head has its own."""
    head_dim: Annotated[int, Field(ge=2, le=1024)]
    """Of one head; even, because rotary embedding turns pairs. heads x headDim need not be width."""
    mlp_width: Annotated[int, Field(ge=8, le=262144)]
    """Inner width of the gated MLP (SwiGLU); a multiple of mesh.tp."""
    vocab_size: Annotated[int, Field(ge=16, le=1048576)]
    """Rows of the embedding: at least the tokenizer's pieces, and a multiple of mesh.tp."""
    norm_epsilon: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    """Added to the mean square in RMSNorm. Default: Llama 2's."""
    tied_embeddings: bool = False
    """True: the output head is the embedding, transposed; false: a matrix of its own."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of activations and matrix products; parameters and optimizer are always float32."""


class Optimizer(Contract):
    """AdamW with linear warm-up and cosine decay to `finalFraction` of the peak. The defaults are Llama 7B's, without warm-up."""

    peak_learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    """Reached at the end of the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Steps of linear rise to the peak; as many as the stage has steps or more: all but its last one. 0: begins at the peak."""
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Of the peak, at the last step: 1 keeps the rate constant after the warm-up, 0 ends at zero."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Decoupled, times the learning rate; the norms' scales are spared."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay of the mean of gradients, per step; 0: no momentum."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """Decay of the mean of squared gradients, per step."""
    clip_norm: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Gradients whose global L2 norm is larger are scaled down to it."""


class Dataset(Contract):
    """A source of documents: a file or a folder of `*.txt` (one document a file) or `*.jsonl` (one document a line)."""

    name: str
    kind: Literal["text"]
    uri: str
    """`gs://bucket/folder` or an absolute path."""
    text_field: str = "text"
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Share of the mixture, relative to the other data sets of the stage."""


class Checkpoint(Contract):
    root: str
    """`<checkpoint.uri>/<namespace>/<name>-<uid8>`: one training writes nowhere else."""
    every_steps: Annotated[int, Field(ge=1)]
    keep: Annotated[int, Field(ge=1)] = 2


class Rollback(Contract):
    """A stage diverged: attempts from `attempt` on are a new line, which takes from earlier ones nothing after `step`.

    From step `step` on (0-based: the step that is computed next), every step draws its batch `skipBatches` further on, so that the data
    that led to the divergence is not met again.
    """

    attempt: Annotated[int, Field(ge=2)]
    """First attempt (1-based) of the new line."""
    step: Annotated[int, Field(ge=0)]
    """The newest step that is kept; 0: none, the stage begins anew."""
    skip_batches: Annotated[int, Field(ge=0)] = 0
    """Those between the kept step and the divergence, and failurePolicy.onDivergence.skipBatches."""


class Start(Contract):
    """Where an attempt takes its parameters from.

    `earlier_attempts`: this stage's earlier attempts, newest first; the newest commit on their line is resumed in full, as far as
    `rollbacks` (in the order in which they happened) lets it count. When none of them committed, `stage_checkpoint` (the Orbax step
    folder of the stage before) gives parameters only; without it they are drawn from the seed.
    """

    earlier_attempts: tuple[int, ...] = ()
    rollbacks: tuple[Rollback, ...] = ()
    stage_checkpoint: str | None = None

    def counts_until(self, attempt: int) -> int | None:
        """The last step of `attempt` that is on the line of record; None when all of it is."""
        return min((rollback.step for rollback in self.rollbacks if rollback.attempt > attempt), default=None)

    def batch_of(self, step: int) -> int:
        """Which batch of the data's order step `step` (0-based) computes with: its own number, moved on by every rollback before it."""
        return step + sum(rollback.skip_batches for rollback in self.rollbacks if step >= rollback.step)


class Hang(Contract):
    """When a step counts as hanging: after `stepFactor` times a usual step, but never before `minSeconds`."""

    min_seconds: Annotated[int, Field(ge=10, le=86400)] = 300
    """Seconds without a step that are never a hang; the first steps of an attempt have at least 30 minutes, as none is usual yet."""
    step_factor: Annotated[float, Field(ge=2, le=1000)] = 10.0
    """Times the 95th percentile of the last 64 steps."""


def slice_name(attempt: str, index: int, slices: int) -> str:
    """`bible-s1-a3-x0`: the Job of one slice (0-based) of the attempt of that name; of a single slice the attempt's own name."""
    return f"{attempt}-x{index}" if slices > 1 else attempt


class Gang(Contract):
    """The processes of an attempt: one a host, counted slice by slice. The names of the hosts follow, so that no list is needed."""

    job: str
    """The attempt's name: of its Job, or with `-x<slice>` of the Jobs of its slices."""
    service: str
    slices: Annotated[int, Field(ge=1)] = 1
    """TPU slices: groups of hosts / slices with a fast network of their own."""
    hosts: Annotated[int, Field(ge=1)]
    """Of all slices."""
    devices_per_host: Annotated[int, Field(ge=1)]
    platform: Literal["cpu", "gpu", "tpu"]
    coordinator: str
    """`host:port` of process 0."""

    @property
    def hosts_per_slice(self) -> int:
        return self.hosts // self.slices

    def address(self, host: int) -> str:
        """How the peers call a host (0-based, over all slices): a name in the training's headless Service."""
        index, inside = divmod(host, self.hosts_per_slice)
        return f"{slice_name(self.job, index, self.slices)}-{inside}.{self.service}"


class Lease(Contract):
    """The Lease that process 0 renews; it may patch this one object and nothing else."""

    namespace: str
    name: str


class RunConfig(Contract):
    """All that one attempt of one stage runs with: what the operator mounts at `CONFIG_PATH`."""

    version: Literal[1] = CONTRACT_VERSION
    training: str
    stage: str
    stage_index: Annotated[int, Field(ge=0)]
    stage_count: Annotated[int, Field(ge=1)]
    attempt: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    gang: Gang
    mesh: Mesh
    model: Model
    tokenizer: str
    """`gs://` or absolute path of a `tokenizer.json`."""
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1)]
    context_length: Annotated[int, Field(ge=8)]
    batch_tokens: Annotated[int, Field(ge=8)]
    rope_theta: Annotated[float, Field(gt=1)]
    steps: Annotated[int, Field(ge=1)]
    optimizer: Optimizer = Optimizer()
    checkpoint: Checkpoint
    start: Start = Start()
    hang: Hang = Hang()
    compile_cache: str | None = None
    lease: Lease | None = None
    """None outside Kubernetes: progress is then printed only."""

    @property
    def rows(self) -> int:
        """Rows of `context_length` tokens in a step's global batch."""
        return self.batch_tokens // self.context_length

    @property
    def stage_folder(self) -> str:
        return f"{self.checkpoint.root}/s{self.stage_index + 1}-{self.stage}"

    def attempt_folder(self, attempt: int | None = None) -> str:
        return f"{self.stage_folder}/a{self.attempt if attempt is None else attempt}"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for problem in misfits(
            model=self.model,
            mesh=self.mesh,
            devices=self.gang.hosts * self.gang.devices_per_host,
            slices=self.gang.slices,
            context_length=self.context_length,
            batch_tokens=self.batch_tokens,
        ):
            raise ValueError(f"{problem.field}: {problem.message}")
        return self


class Misfit(Contract):
    """A spec that makes no sense: the field (relative to the stage or the model) and a sentence with the fix."""

    field: str
    message: str


def misfits(*, model: Model, mesh: Mesh, devices: int, context_length: int, batch_tokens: int, slices: int = 1) -> list[Misfit]:
    """What does not fit together in a stage; the operator asks before any pod exists, the trainer once more at its start."""
    found: list[Misfit] = []
    if mesh.size != devices:
        found.append(
            Misfit(
                field="mesh",
                message=f"dp {mesh.dp} x fsdp {mesh.fsdp} x tp {mesh.tp} x sp {mesh.sp} = {mesh.size} devices, but the accelerator "
                f"has {devices}: change the mesh or the number of hosts",
            )
        )
    if mesh.dp % slices:
        found.append(
            Misfit(
                field="mesh.dp",
                message=f"{mesh.dp} is not a multiple of the {slices} slices, between which only data parallelism runs (their network is "
                f"slow): use {_near(mesh.dp, slices)}",
            )
        )
    if context_length % (2 * mesh.sp):
        found.append(
            Misfit(
                field="contextLength",
                message=f"{context_length} is not a multiple of 2 x sp = {2 * mesh.sp} (each rank of the ring holds two equal chunks): "
                f"use {_near(context_length, 2 * mesh.sp)} or another mesh.sp",
            )
        )
    if batch_tokens % context_length:
        found.append(
            Misfit(
                field="batchTokens",
                message=f"{batch_tokens} is not a multiple of contextLength {context_length}: use {_near(batch_tokens, context_length)}",
            )
        )
    elif (rows := batch_tokens // context_length) % (mesh.dp * mesh.fsdp):
        found.append(
            Misfit(
                field="batchTokens",
                message=f"{batch_tokens} tokens are {rows} rows of {context_length}, which dp x fsdp = {mesh.dp * mesh.fsdp} does not "
                f"divide: use a multiple of {mesh.dp * mesh.fsdp * context_length} or a smaller dp x fsdp",
            )
        )
    for name, heads in (("heads", model.heads), ("kvHeads", model.kv_heads)):
        if heads % mesh.tp:
            found.append(Misfit(field="mesh.tp", message=f"{mesh.tp} does not divide model.{name} {heads}: use a divisor of it"))
    if model.heads % model.kv_heads:
        found.append(
            Misfit(field="model.kvHeads", message=f"{model.kv_heads} does not divide model.heads {model.heads}: use a divisor of it")
        )
    if model.head_dim % 2:
        found.append(Misfit(field="model.headDim", message=f"{model.head_dim} is odd: rotary embedding turns pairs, use an even number"))
    if mesh.ulysses is not None and mesh.ulysses not in (degrees := ulysses_degrees(model, mesh)):
        found.append(
            Misfit(
                field="mesh.ulysses",
                message=f"{mesh.ulysses} does not divide both sp {mesh.sp} and the query heads of a tp shard, heads {model.heads} / tp "
                f"{mesh.tp}: use {', '.join(map(str, degrees))}, or leave it out and the fastest is chosen",
            )
        )
    for axis, name, size in (
        ("tp", "mlpWidth", model.mlp_width),
        ("tp", "vocabSize", model.vocab_size),
        ("fsdp x sp", "width", model.width),
    ):
        parts = mesh.tp if axis == "tp" else mesh.fsdp * mesh.sp
        if size % parts:
            found.append(
                Misfit(
                    field=f"model.{name}",
                    message=f"{size} is not a multiple of {axis} = {parts}, its shards: use {_near(size, parts)} or another mesh",
                )
            )
    return found


def ulysses_degrees(model: Model, mesh: Mesh) -> list[int]:
    """Every `mesh.ulysses` that is possible, ascending: the common divisors of sp and of the query heads of a tp shard."""
    common = math.gcd(mesh.sp, max(model.heads // mesh.tp, 1))
    return [degree for degree in range(1, common + 1) if common % degree == 0]


def _near(value: int, step: int) -> int:
    return max(step, round(value / step) * step)


class Phase(StrEnum):
    """What the trainer is doing; the operator shows it as the training's reason."""

    RENDEZVOUS = "Rendezvous"
    LOADING_DATA = "LoadingData"
    RESTORING = "Restoring"
    COMPILING = "Compiling"
    TRAINING = "Training"
    SAVING = "Saving"
    COMPLETE = "Complete"


class Final(Contract):
    """The committed end of a stage."""

    checkpoint: str
    """The Orbax step folder that the next stage starts from."""
    step: int
    state_hash: str
    """Of parameters and optimizer, equal on any mesh: see `lwm_trainer.fingerprint`."""
    record_hash: str
    """SHA-256 of the record: the bits of loss and gradient norm and the tokens' hash of every step."""
    loss: float | None = None
    """Of the last step, in nats a token."""


class Progress(Contract):
    """What process 0 reports: at most 2 KiB of JSON on its Lease."""

    attempt: int
    phase: Phase
    phase_deadline_seconds: int
    """How long this phase may go without a new step before it counts as a hang."""
    idle_seconds: int = 0
    """How long it has gone already, by the trainer's own clock at the moment of this report."""
    step: int = 0
    steps: int
    loss: float | None = None
    grad_norm: float | None = None
    tokens_per_second: float | None = None
    step_seconds: float | None = None
    tokens_seen: int = 0
    resumed_from: int = 0
    """The step at which this attempt began."""
    committed_step: int = 0
    final: Final | None = None


class LastWords(Contract):
    """The termination message of any process, at most 4 KiB of JSON."""

    code: int
    reason: str
    """Of the code, or a narrower one in CamelCase, such as BucketMissing: the operator shows it as the cause."""
    message: str = ""
    step: int = 0
    final: Final | None = None


def step_folder(attempt_folder: str, step: int) -> str:
    """The Orbax folder of a committed step."""
    return f"{attempt_folder}/{step}"
