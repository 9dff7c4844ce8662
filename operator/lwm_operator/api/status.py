"""The status of an LWMTraining: what the operator writes. Decimal numbers are strings, as the API conventions require."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from lwm_operator.api.resource import Resource
from lwm_operator.api.rules import list_map
from lwm_trainer.config import AcceptedChange, Rollback, TimeSpent

Short = Annotated[str, Field(max_length=64)]
Sentence = Annotated[str, Field(max_length=1024)]
Path = Annotated[str, Field(max_length=1024)]
Image = Annotated[str, Field(max_length=512)]
NodeName = Annotated[str, Field(max_length=253)]
Time = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]

RECENT_ATTEMPTS = 10
"""Newest attempts of a stage that status lists. Older ones are only counted."""

AVOIDED_NODES = 16
KEPT_FAULTS = 64
ROLLBACKS = 32
ACCEPTED_CHANGES = 32


class Phase(StrEnum):
    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    RECOVERING = "Recovering"
    SUSPENDED = "Suspended"
    PAUSED = "Paused"
    """Stopped until a person raises spec.resume."""
    COMPLETE = "Complete"
    FAILED = "Failed"


class AttemptState(StrEnum):
    CREATING = "Creating"
    """Written before the Job is created."""
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    """A host was lost, and the other hosts have time to exit."""
    SUSPENDING = "Suspending"
    """The pods were asked to save a checkpoint and exit."""
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"


class ImageSource(StrEnum):
    """Where a stage has its trainer image from."""

    SPEC = "Spec"
    INSTALLATION = "Installation"


class StageState(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    PAUSED = "Paused"
    COMPLETE = "Complete"
    FAILED = "Failed"


class FailureClass(StrEnum):
    """Class of a failure. It decides the reaction and the budget that is charged."""

    PERMANENT = "Permanent"
    """A retry would fail the same way: the training fails at once."""
    APP = "App"
    """A failure of the program, or its memory limit: budget `app`."""
    INFRA = "Infra"
    """A failure of a host, node, network or storage: budget `infra`."""
    HANG = "Hang"
    """No step within the deadline: budget `hang`."""
    DIVERGED = "Diverged"
    """A loss or gradient that is not finite: `onDivergence`."""
    GATE = "Gate"
    """The evaluation gate of the stage was not met: the training is paused."""
    DISRUPTION = "Disruption"
    """Preemption, eviction, drain or deletion: budget `disruption`."""


class RootCause(Resource):
    """Root cause of an attempt's end: the first host that failed on its own, not because of another host."""

    failure_class: Annotated[FailureClass, Field(alias="class")]
    reason: Short
    """Reason in one word: docs/reasons.md."""
    message: Sentence = ""
    """Termination message of the host, or the status of its pod."""
    exit_code: int | None = None
    """Exit code of the host's container; absent if unknown."""
    host: int | None = None
    """Index of the host in the gang (0-based)."""
    pod: Annotated[str, Field(max_length=253)] | None = None
    """Name of the host's pod."""
    node: NodeName | None = None
    """Name of the pod's node; absent if the pod had none, or if several hosts are equally suspect."""
    node_pool: NodeName | None = None
    """Node pool of the node, for a slice of several TPU hosts, which lies in one pool."""


class StaleLease(Resource):
    """Set while process 0 does not renew its Lease."""

    since: Time
    """Time at which the operator noticed it, by the operator's clock."""
    renew_time: Short
    """renewTime of the Lease at that time. A newer renewTime clears this field, whatever the clocks say."""


class Placement(Resource):
    """How far the attempt's pods have come onto nodes. Times are the operator's. Absent once the first step is reported."""

    unplaced_since: Time | None = None
    """Since when the scheduler finds no node for a pod."""
    searched_seconds: int | None = None
    """Seconds for which the attempts before this one found no node for a pod, until they released the others (PlacementTimeout)."""
    partial_since: Time | None = None
    """Since when some pods hold nodes while others have none: the start of execution.placementTimeoutSeconds."""
    complete_since: Time | None = None
    """Since when all pods have nodes: the start of execution.startupTimeoutSeconds."""


class Attempt(Resource):
    """One attempt: a gang of pods that runs a stage until the stage ends or a host fails."""

    number: int
    """Number of the attempt within its stage (1-based); part of the Job's name."""
    state: AttemptState
    """State of the attempt. Creating: the Job may not exist yet. Stopping: a host failed and the others exit. Suspending: the pods save a
    checkpoint and exit."""
    job_uid: Short | None = None
    """UID of the attempt's Job; with several slices, of the first slice's Job."""
    started_at: Time | None = None
    """Start time, written before the Job is created; absent for an attempt that was adopted from its Job."""
    finished_at: Time | None = None
    """Time at which the attempt ended or the operator began to stop its hosts."""
    from_step: int = 0
    """Step from which the attempt resumed; 0: the beginning of the stage."""
    step: int = 0
    """Newest reported step."""
    committed_step: int = 0
    """Step of the newest checkpoint of the attempt; 0: none."""
    time_spent: TimeSpent | None = None
    """What host 0 spent the time of the attempt on, up to the newest step or checkpoint, in seconds. What is missing to the attempt's
    duration passed before its start and after its end: in queues, with images, until the Job was seen to end."""
    damaged_checkpoint: Sentence | None = None
    """A newer checkpoint that is damaged and was passed over: its folder and the first damaged file."""
    avoided_nodes: Annotated[tuple[NodeName, ...], Field(max_length=AVOIDED_NODES)] = ()
    """Nodes that the pods avoid, most failures first: failurePolicy.avoidNodesAfter."""
    avoided_node_pools: Annotated[tuple[NodeName, ...], Field(max_length=AVOIDED_NODES)] = ()
    """Node pools that the pods of slices with several TPU hosts avoid instead."""
    placement: Placement | None = None
    stale_lease: StaleLease | None = None
    root_cause: RootCause | None = None
    host_exits: Sentence | None = None
    """Exit code of each host, such as `host 0: 79, host 1: 137`."""

    @property
    def avoided(self) -> tuple[str, ...]:
        """The nodes or the node pools that the pods avoid."""
        return (*self.avoided_nodes, *self.avoided_node_pools)


class GateState(StrEnum):
    PASSED = "Passed"
    FAILED = "Failed"
    WAIVED = "Waived"


class SuiteStatus(Resource):
    """Score of a suite of the gate."""

    suite: Short
    """Name of the suite."""
    score: Short
    """Mean score of all questions, 0 to 1, with four decimals."""
    interval: Short
    """The 95 % interval of the score."""
    questions: int
    """Number of questions."""
    min_score: Short
    """The score that the gate asks for."""


class FinalCheckpoint(Resource):
    """Final checkpoint of a stage, and hashes that are equal for equal runs."""

    path: Path
    """Orbax folder of the last step, below spec.checkpoint."""
    step: int
    """Last step of the stage."""
    state_hash: Short
    """Hash of parameters and optimizer state in 16 hexadecimal digits. It does not depend on the mesh."""
    record_hash: Short
    """SHA-256 over the loss, gradient norm and tokens of every step."""


class Failures(Resource):
    """Number of failed attempts of a stage by failure class."""

    permanent: int = 0
    """Bad data, checkpoints or configs, for which a retry would fail the same way."""
    app: int = 0
    """Failures of the program, and out of memory."""
    infra: int = 0
    """Failures of a host, node, network or storage."""
    hang: int = 0
    """Hangs: no step within the deadline."""
    diverged: int = 0
    """Divergences: the loss or gradient norm was not finite."""
    gate: int = 0
    """Evaluation gates that were not met."""
    disruption: int = 0
    """Preemptions, evictions, drains and deletions."""


class BudgetsUsed(Resource):
    """Failures charged to the stage's budgets since the newest checkpoint or the newest change of spec.resume."""

    app: int = 0
    """Failures charged to failurePolicy.budgets.app. The stage stops when they exceed it."""
    infra: int = 0
    """Failures charged to failurePolicy.budgets.infra. The stage stops when they exceed it."""
    hang: int = 0
    """Failures charged to failurePolicy.budgets.hang. The stage stops when they exceed it."""
    disruption: int = 0
    """Disruptions charged to failurePolicy.budgets.disruption. The stage is paused when they exceed it."""
    rollbacks: int = 0
    """Rollbacks charged to onDivergence.maxRollbacks. Checkpoints do not reset them, because a run that diverges repeatedly also saves
    checkpoints."""
    committed_step: int = 0
    """Step of the newest checkpoint when this was charged. A newer checkpoint resets the budgets."""


class StageStatus(Resource):
    """Progress and history of one stage."""

    name: Short
    """Name of the stage in spec.stages."""
    state: StageState = StageState.PENDING
    """State of the stage. Paused, Failed: stopped until spec.resume is raised."""
    step: int = 0
    """Completed steps. A rollback sets it back."""
    total_steps: int = 0
    """Number of steps of the stage."""
    loss: Short | None = None
    """Loss of the newest step in nats per token, with four decimals."""
    validation_loss: Short | None = None
    """Mean loss of all targets of the newest validation, with four decimals; absent without one."""
    gate: GateState | None = None
    """What came of stages[].gate. Waived: it failed, and spec.resume was raised. Absent before the last step and without a gate."""
    gate_suites: Annotated[tuple[SuiteStatus, ...], Field(max_length=4)] = ()
    """Scores of the suites of stages[].gate, in their order."""
    profile: Path | None = None
    """Folder of the newest trace of stages[].profile; absent before the first."""
    tokens_per_second: Short | None = None
    """Throughput of all hosts in tokens per second, rounded to an integer."""
    committed_step: int = 0
    """Step of the newest checkpoint, from which the next attempt resumes; 0: none."""
    attempts: int = 0
    """Number of started attempts, which is the number of the newest attempt."""
    restarts: int = 0
    """Number of attempts after the first."""
    image: Image | None = None
    """Trainer image of the stage's newest attempt; absent before the first."""
    image_source: ImageSource | None = None
    """Spec: the image is spec.image. Installation: it was the installation's when the stage began. An upgrade of the chart does not change
    it before the stage ends."""
    started_at: Time | None = None
    """Start time of the first attempt."""
    completed_at: Time | None = None
    """Time at which the final checkpoint was reported."""
    final_checkpoint: FinalCheckpoint | None = None
    failures: Failures = Failures()
    budgets_used: BudgetsUsed = BudgetsUsed()
    rollbacks: Annotated[tuple[Rollback, ...], Field(max_length=ROLLBACKS)] = ()
    """Rollbacks after divergences, oldest first."""
    accepted_changes: Annotated[tuple[AcceptedChange, ...], Field(max_length=ACCEPTED_CHANGES)] = ()
    """Newest changes of data sets within the stage that acceptChangeTo accepted, oldest first."""
    recent_attempts: Annotated[tuple[Attempt, ...], Field(max_length=RECENT_ATTEMPTS)] = ()
    """Newest attempts, newest first."""


class DatasetState(StrEnum):
    PENDING = "Pending"
    PREPARING = "Preparing"
    READY = "Ready"
    FAILED = "Failed"


class DatasetStatus(Resource):
    """Progress of the preparation of one data set."""

    name: Short
    """Name of the data set in spec.datasets."""
    state: DatasetState = DatasetState.PENDING
    """State of the preparation. Pending: no worker has started. Failed: stopped until spec.resume is raised."""
    run: int = 0
    """Number of the preparation, part of the Job's name: spec.resume at first, a greater one whenever the data set is prepared again."""
    shards: int = 0
    """Number of shards; 0 while they are being counted."""
    shards_done: int = 0
    """Number of completed shards."""
    documents: int = 0
    """Number of encoded documents, over all workers."""
    tokens: int = 0
    """Number of tokens of these documents."""
    bytes_per_second: Short | None = None
    """Read rate of source data over all workers in bytes per second, rounded to an integer."""
    eta_seconds: int | None = None
    """Estimated seconds until all shards are completed."""
    skipped: int = 0
    """Number of skipped records, which made no document."""
    first_skipped: Sentence | None = None
    """Error of the first skipped record, with file and line."""
    questions: Sentence | None = None
    """Questions of kind qa: how many are kept, and how many each filter dropped, such as `kept 812, duplicate 3`."""
    path: Path | None = None
    """Folder of the prepared token store; set when the state is Ready."""
    reason: Short = ""
    """Reason of the state in one word: docs/reasons.md."""
    message: Sentence = ""
    """Progress, what the pods wait for, or why the preparation failed."""


class Summary(Resource):
    """Formatted values for the columns of `kubectl get`, because JSONPath cannot format."""

    stage: Short = ""
    """Number and name of the current stage, such as `2/3 ctx1024`."""
    step: Short = ""
    """Completed and total steps of the stage, such as `120/400`."""
    loss: Short = ""
    """Loss of the newest step in nats per token."""
    tokens_per_second: Short = ""
    """Throughput of all hosts in tokens per second."""
    restarts: int = 0
    """Number of attempts after the first of each stage, over all stages."""
    hosts: Short = ""
    """Running and desired hosts, such as `3/4`."""
    checkpoint: Short = ""
    """Step of the stage's newest checkpoint; empty before the first."""
    eta: Short = ""
    """Estimated time to the end of the stage; empty until a step is reported."""
    image: Image = ""
    """Trainer image of the stage's newest attempt."""


class NodeFault(Resource):
    """A node that was the root cause of a failed attempt of this training."""

    node: NodeName
    """Name of the node."""
    node_pool: NodeName | None = None
    """Node pool of the node, for a slice of several TPU hosts."""
    at: Time
    """Time at which the root cause was found, in UTC."""


class Condition(Resource):
    """A condition of the training, as in the Kubernetes API conventions."""

    type: Short
    """Type of the condition: Accepted, Progressing, Suspended, Stalled, Complete or Failed."""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds."""
    reason: Short
    """Reason of the status in one word: docs/reasons.md."""
    message: Annotated[str, Field(max_length=2048)] = ""
    """Explanation in one line. For Accepted: every invalid or doubtful field, with the fix."""
    observed_generation: int = 0
    """metadata.generation of the spec for which the condition holds."""
    last_transition_time: Time
    """Time of the last change of `status`."""


class Status(Resource):
    """Status of the training, written by the operator. Decimal numbers are strings, as the API conventions require."""

    observed_generation: int = 0
    """metadata.generation of the spec that the operator has processed. If it is less than the object's, the newest edit is pending."""
    phase: Phase = Phase.PENDING
    """Phase of the training. Pending: `reason` says what it waits for. Recovering: the next attempt follows. Paused, Failed: stopped until
    spec.resume is raised."""
    reason: Short = ""
    """Reason of the phase in one word: docs/reasons.md."""
    message: Sentence = ""
    """Explanation of the phase in one line: stage, attempt, and what happens."""
    current_stage: int | None = None
    """Number of the current stage (1-based); absent until the first stage starts. Stages up to it can no longer be edited."""
    attempt: int | None = None
    """Number of the newest attempt of the current stage; absent before the first."""
    run_root: Path | None = None
    """Folder of the training's checkpoints. A training that is restored with its status continues in it, whatever its new uid."""
    observed_resume: int = 0
    """Value of spec.resume that the operator has processed."""
    node_faults: Annotated[tuple[NodeFault, ...], Field(max_length=KEPT_FAULTS)] = ()
    """Node failures of the last 24 hours, oldest first."""
    summary: Summary = Summary()
    stages: Annotated[tuple[StageStatus, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    """One entry per stage of spec.stages, in the same order, including future stages."""
    datasets: Annotated[tuple[DatasetStatus, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """One entry per data set with preparation, in the order of spec.datasets."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=list_map("type"))] = ()
    """All six conditions, always present, for example for `kubectl wait --for=condition=Complete`."""
