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
    message: Sentence = ""
    exit_code: int | None = None
    host: int | None = None
    """The host's index in the gang."""
    pod: Annotated[str, Field(max_length=253)] | None = None
    node: NodeName | None = None


class Silence(Resource):
    """Process 0 does not renew its Lease, as far as the operator can see."""

    since: Time
    """When it was noticed, by the operator's clock."""
    renewed: Short
    """The Lease's renewTime then: a newer one breaks the silence, whatever the clocks say."""


class Attempt(Resource):
    number: int
    state: AttemptState
    job_uid: Short | None = None
    started_at: Time | None = None
    finished_at: Time | None = None
    from_step: int = 0
    step: int = 0
    committed_step: int = 0
    avoided_nodes: Annotated[tuple[NodeName, ...], Field(max_length=AVOIDED_NODES)] = ()
    silence: Silence | None = None
    root_cause: RootCause | None = None
    endings: Sentence | None = None
    """How every host ended, such as `host 0: 79, host 1: 137`."""


class FinalCheckpoint(Resource):
    """Where a stage's result lies, and the hashes that two equal runs share."""

    path: Path
    step: int
    state_hash: Short
    record_hash: Short


class Failures(Resource):
    """How many attempts of a stage ended in each class."""

    permanent: int = 0
    app: int = 0
    infra: int = 0
    hang: int = 0
    diverged: int = 0
    gate: int = 0
    disruption: int = 0


class Spent(Resource):
    """What failures have taken from the stage's budgets since the newest commit, or since a human said to go on."""

    app: int = 0
    infra: int = 0
    hang: int = 0
    rollbacks: int = 0
    """Not refilled by commits: a run that diverges again and again makes commits in between."""
    committed_step: int = 0
    """The newest commit when this was charged: a newer one refills the budgets."""


class StageStatus(Resource):
    name: Short
    state: StageState = StageState.PENDING
    step: int = 0
    total_steps: int = 0
    loss: Short | None = None
    tokens_per_second: Short | None = None
    committed_step: int = 0
    attempts: int = 0
    """How many were started; also the number of the newest one."""
    restarts: int = 0
    started_at: Time | None = None
    completed_at: Time | None = None
    final_checkpoint: FinalCheckpoint | None = None
    failures: Failures = Failures()
    spent: Spent = Spent()
    rollbacks: Annotated[tuple[Rollback, ...], Field(max_length=ROLLBACKS)] = ()
    recent_attempts: Annotated[tuple[Attempt, ...], Field(max_length=RECENT_ATTEMPTS)] = ()
    """Newest first."""


class Summary(Resource):
    """Ready-made words for the columns of `kubectl get`: JSONPath cannot compute."""

    stage: Short = ""
    step: Short = ""
    loss: Short = ""
    tokens_per_second: Short = ""
    restarts: int = 0
    hosts: Short = ""
    checkpoint: Short = ""
    eta: Short = ""


class NodeFault(Resource):
    """A node on which an attempt of this training failed for a cause that lies with the node."""

    node: NodeName
    at: Time


class Condition(Resource):
    type: Short
    status: Literal["True", "False", "Unknown"]
    reason: Short
    message: Annotated[str, Field(max_length=2048)] = ""
    observed_generation: int = 0
    last_transition_time: Time


class Status(Resource):
    observed_generation: int = 0
    phase: Phase = Phase.PENDING
    reason: Short = ""
    message: Sentence = ""
    current_stage: int | None = None
    """1-based; absent until the first stage begins. Stages up to it can no longer be edited."""
    attempt: int | None = None
    resumed: int = 0
    """The value of spec.resume that has been acted on."""
    node_faults: Annotated[tuple[NodeFault, ...], Field(max_length=KEPT_FAULTS)] = ()
    """Oldest first, of the last 24 hours."""
    summary: Summary = Summary()
    stages: Annotated[tuple[StageStatus, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=list_map("type"))] = ()
