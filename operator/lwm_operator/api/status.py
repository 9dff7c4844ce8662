"""The status of an LWMTraining: what the operator writes. Floats are strings, as the API conventions want."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from lwm_operator.api.resource import Resource
from lwm_operator.api.rules import list_map
from lwm_trainer.config import Rollback

Short = Annotated[str, Field(max_length=64)]
Sentence = Annotated[str, Field(max_length=1024)]
Path = Annotated[str, Field(max_length=1024)]
NodeName = Annotated[str, Field(max_length=253)]
Time = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]

RECENT_ATTEMPTS = 10
"""Attempts of a stage that status tells about; older ones live on in the count only."""

AVOIDED_NODES = 16
KEPT_FAULTS = 64
ROLLBACKS = 32


class Phase(StrEnum):
    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    RECOVERING = "Recovering"
    SUSPENDED = "Suspended"
    PAUSED = "Paused"
    """Waits for a human: `spec.resume` goes on."""
    COMPLETE = "Complete"
    FAILED = "Failed"


class AttemptState(StrEnum):
    CREATING = "Creating"
    """The intent: written before the Job is created."""
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    """A host was lost; its peers are given a moment to leave."""
    SUSPENDING = "Suspending"
    """Its pods were asked to save and leave."""
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"


class StageState(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    PAUSED = "Paused"
    COMPLETE = "Complete"
    FAILED = "Failed"


class FailureClass(StrEnum):
    """What is done about a failure, and which budget it is charged to."""

    PERMANENT = "Permanent"
    """Another attempt would end the same way: Failed at once."""
    APP = "App"
    """The program's own fault, or its memory limit's: budget `app`."""
    INFRA = "Infra"
    """A host, its node, the network or the storage: budget `infra`."""
    HANG = "Hang"
    """No step within the declared deadline: budget `hang`."""
    DIVERGED = "Diverged"
    """Loss or gradient is not finite: `onDivergence`."""
    GATE = "Gate"
    """The stage's evaluation gate was not met: Paused."""
    DISRUPTION = "Disruption"
    """Preempted, evicted, drained, deleted: never charged."""


class RootCause(Resource):
    """Why an attempt ended: the first host that failed for a reason of its own."""

    failure_class: Annotated[FailureClass, Field(alias="class")]
    reason: Short
    """In one word: docs/reasons.md."""
    message: Sentence = ""
    """What the host said last, or what Kubernetes says of its pod."""
    exit_code: int | None = None
    """Of the host's container; absent where none is known."""
    host: int | None = None
    """The host's index in the gang."""
    pod: Annotated[str, Field(max_length=253)] | None = None
    """Name of the host's pod."""
    node: NodeName | None = None
    """Where the pod ran; absent where it had none."""


class StaleLease(Resource):
    """Process 0 does not renew its Lease, as far as the operator can see."""

    since: Time
    """When it was noticed, by the operator's clock."""
    renew_time: Short
    """The Lease's renewTime then: a newer one breaks the silence, whatever the clocks say."""


class Attempt(Resource):
    """One gang of pods: it runs a stage to its end, or until a host is lost."""

    number: int
    """1-based, within the stage; part of the Job's name."""
    state: AttemptState
    """Creating: its Job may not be there yet. Stopping: a host was lost, the others leave. Suspending: they save, then leave."""
    job_uid: Short | None = None
    """UID of its Job, of the first slice's where there are several; another Job of the same name is not its own."""
    started_at: Time | None = None
    """When the intent was written; absent for an attempt that was taken up from its Job."""
    finished_at: Time | None = None
    """When it ended, or its hosts began to be stopped."""
    from_step: int = 0
    """Step of the stage that it resumed from; 0: it began the stage."""
    step: int = 0
    """The newest step that it reported."""
    committed_step: int = 0
    """The newest step that it committed; 0: none."""
    avoided_nodes: Annotated[tuple[NodeName, ...], Field(max_length=AVOIDED_NODES)] = ()
    """Nodes that its pods keep away from, the worst first: failurePolicy.avoidNodesAfter."""
    stale_lease: StaleLease | None = None
    root_cause: RootCause | None = None
    host_exits: Sentence | None = None
    """How every host ended, such as `host 0: 79, host 1: 137`."""


class FinalCheckpoint(Resource):
    """Where a stage's result lies, and the hashes that two equal runs share."""

    path: Path
    """Orbax folder of the last step, under spec.checkpoint."""
    step: int
    """The last step of the stage."""
    state_hash: Short
    """Of parameters and optimizer, 16 hexadecimal digits, equal on any mesh."""
    record_hash: Short
    """SHA-256 of the bits of loss and gradient norm and of the tokens of every step."""


class Failures(Resource):
    """How many attempts of a stage ended in each class."""

    permanent: int = 0
    """Bad data, checkpoints or configs: another attempt would end the same way."""
    app: int = 0
    """The program's own fault, or its memory limit's."""
    infra: int = 0
    """A host, its node, the network or the storage."""
    hang: int = 0
    """No step within the declared deadline."""
    diverged: int = 0
    """Loss or gradient norm was not finite."""
    gate: int = 0
    """The stage's evaluation gate was not met."""
    disruption: int = 0
    """Preempted, evicted, drained or deleted: never charged."""


class BudgetsUsed(Resource):
    """What failures have taken from the stage's budgets since the newest commit, or since a human said to go on."""

    app: int = 0
    """Of failurePolicy.budgets.app: the stage stops when it is more."""
    infra: int = 0
    """Of failurePolicy.budgets.infra: the stage stops when it is more."""
    hang: int = 0
    """Of failurePolicy.budgets.hang: the stage stops when it is more."""
    rollbacks: int = 0
    """Not refilled by commits: a run that diverges again and again makes commits in between."""
    committed_step: int = 0
    """The newest commit when this was charged: a newer one refills the budgets."""


class StageStatus(Resource):
    """How far one stage is, and what happened to it."""

    name: Short
    """As in spec.stages."""
    state: StageState = StageState.PENDING
    """Paused and Failed: stopped until spec.resume is raised."""
    step: int = 0
    """Steps done, at least the committed ones; a rollback sets it back."""
    total_steps: int = 0
    """Steps that the stage has."""
    loss: Short | None = None
    """Of the newest step, in nats a token, four decimals."""
    tokens_per_second: Short | None = None
    """Of the whole gang, rounded to a whole number."""
    committed_step: int = 0
    """The newest commit, where the next attempt resumes; 0: none."""
    attempts: int = 0
    """How many were started; also the number of the newest one."""
    restarts: int = 0
    """Attempts beyond the first."""
    started_at: Time | None = None
    """When its first attempt began."""
    completed_at: Time | None = None
    """When its final checkpoint was reported."""
    final_checkpoint: FinalCheckpoint | None = None
    failures: Failures = Failures()
    budgets_used: BudgetsUsed = BudgetsUsed()
    rollbacks: Annotated[tuple[Rollback, ...], Field(max_length=ROLLBACKS)] = ()
    """What divergences led to, oldest first."""
    recent_attempts: Annotated[tuple[Attempt, ...], Field(max_length=RECENT_ATTEMPTS)] = ()
    """Newest first."""


class DatasetState(StrEnum):
    PENDING = "Pending"
    PREPARING = "Preparing"
    READY = "Ready"
    FAILED = "Failed"


class DatasetStatus(Resource):
    """How far the preparation of one data set is."""

    name: Short
    """As in spec.datasets."""
    state: DatasetState = DatasetState.PENDING
    """Pending: no worker has begun. Failed: until spec.resume is raised."""
    run: int = 0
    """The value of spec.resume with which it was begun; part of its Job's name."""
    shards: int = 0
    """Parts that it is encoded in; 0 while they are being counted."""
    shards_done: int = 0
    """Of them those that are written."""
    documents: int = 0
    """Examples encoded so far, by all workers."""
    tokens: int = 0
    """Of these examples."""
    bytes_per_second: Short | None = None
    """Of source, all workers together, rounded to a whole number."""
    eta_seconds: int | None = None
    """Until all shards are done, at the present pace."""
    skipped: int = 0
    """Records that made no example."""
    first_skipped: Sentence | None = None
    """Why the first of them made none, with its file and line."""
    path: Path | None = None
    """The folder of what was prepared; set once it is Ready."""
    reason: Short = ""
    """Why it is in this state, in one word: docs/reasons.md."""
    message: Sentence = ""
    """How far it is, what holds its pods up, or why it failed."""


class Summary(Resource):
    """Ready-made words for the columns of `kubectl get`: JSONPath cannot compute."""

    stage: Short = ""
    """The stage's number of how many, and its name, such as `2/3 ctx1024`."""
    step: Short = ""
    """Steps done of the stage's, such as `120/400`."""
    loss: Short = ""
    """Of the newest step, in nats a token."""
    tokens_per_second: Short = ""
    """Of the whole gang."""
    restarts: int = 0
    """Attempts beyond the first of each stage, all stages together."""
    hosts: Short = ""
    """Running pods of wanted ones, such as `3/4`."""
    checkpoint: Short = ""
    """The stage's newest committed step; empty before the first."""
    eta: Short = ""
    """Time to the end of the stage at the present pace; empty while no step is reported."""


class NodeFault(Resource):
    """A node on which an attempt of this training failed for a cause that lies with the node."""

    node: NodeName
    """Its name."""
    at: Time
    """When it was found to be the root cause, in UTC."""


class Condition(Resource):
    """One thing that holds of the training or does not, as the API conventions have it."""

    type: Short
    """Accepted, Progressing, Suspended, Stalled, Complete or Failed."""
    status: Literal["True", "False", "Unknown"]
    """True: it holds."""
    reason: Short
    """Why, in one word: docs/reasons.md."""
    message: Annotated[str, Field(max_length=2048)] = ""
    """The story in one line; for Accepted, every field that makes no sense, or is worth a warning, with the fix."""
    observed_generation: int = 0
    """metadata.generation of the spec that it speaks of."""
    last_transition_time: Time
    """When `status` last changed."""


class Status(Resource):
    """What the operator writes. Numbers with decimals are strings, as the API conventions want."""

    observed_generation: int = 0
    """metadata.generation of the spec that this speaks of: less than the object's, the newest edit has not been looked at."""
    phase: Phase = Phase.PENDING
    """Pending: reason says what it waits for. Recovering: a further attempt is on its way. Paused, Failed: until spec.resume is raised."""
    reason: Short = ""
    """Why it is in this phase, in one word: docs/reasons.md."""
    message: Sentence = ""
    """The whole story in one line: stage, attempt, and what is going on."""
    current_stage: int | None = None
    """1-based; absent until the first stage begins. Stages up to it can no longer be edited."""
    attempt: int | None = None
    """Number of the current stage's newest attempt; absent before the first."""
    observed_resume: int = 0
    """The value of spec.resume that has been acted on."""
    node_faults: Annotated[tuple[NodeFault, ...], Field(max_length=KEPT_FAULTS)] = ()
    """Oldest first, of the last 24 hours."""
    summary: Summary = Summary()
    stages: Annotated[tuple[StageStatus, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    """One entry for each of spec.stages, in their order, also for those to come."""
    datasets: Annotated[tuple[DatasetStatus, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """One entry for each of spec.datasets that is prepared, in their order."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=list_map("type"))] = ()
    """All six, always: `kubectl wait --for=condition=Complete` and the like."""
