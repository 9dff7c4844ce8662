"""One attempt in the status of an LWMTraining, and why it ended."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from lwm_operator.api.resource import Resource
from lwm_operator.api.status_texts import NodeName, Sentence, Short, Time
from lwm_trainer.config import TimeSpent

AVOIDED_NODES = 16


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
