"""What exists in the cluster: small views of Kubernetes objects, parsed once by `cluster.parse` and `cluster.parse_pods`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lwm_operator.plan.actions import ActionFailure
from lwm_operator.plan.timestamps import seconds_since
from lwm_trainer.config import Preparation, Progress, TerminationMessage

OVERDUE_SECONDS = 120.0
"""A pod that still exists this long after its grace period is not waited for: its node does not confirm the deletion."""


class PodState(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why a pod does not run yet, or (NodeNotReady) no longer, as the scheduler, the kubelet or an Event reports it."""

    reason: str
    message: str
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    name: str
    uid: str
    stage: int
    attempt: int
    index: int
    """Number of the host, 0-based over all slices."""
    state: PodState
    slice: int = 0
    node: str | None = None
    deleting: bool = False
    grace_seconds: int = 30
    """Meaningful only while deleting."""
    deletion_deadline: str | None = None
    """When the grace period ends (deletionTimestamp), while deleting."""
    exit_code: int | None = None
    reason: str = ""
    """Reason of a failed pod, for example OOMKilled, Evicted or Error."""
    message: str = ""
    termination_message: TerminationMessage | None = None
    waiting: Waiting | None = None
    container: str = ""
    """The container that ended the pod, such as `init container vault-agent`; empty when it was the trainer, or none."""
    memory_limit: str = ""
    """That of the container that ended the pod."""
    sidecars_run: bool = False
    """Whether the trainer has ended and another container has not: the pod keeps its devices, and its Job does not count it."""
    ready: bool = True
    """False for a running pod whose node the node controller considers lost."""
    node_lost_since: str | None = None
    """Since when the node controller considers the node lost. Set only where it is certain: the containers themselves are ready."""

    @property
    def has_run(self) -> bool:
        """Whether the containers have ever started."""
        return self.state != PodState.PENDING

    @property
    def live(self) -> bool:
        """Whether the trainer may still run."""
        return self.state in (PodState.PENDING, PodState.RUNNING)

    @property
    def holds_node(self) -> bool:
        """Whether any container may still run: the pod keeps its place and its devices."""
        return self.live or self.sidecars_run


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    name: str
    uid: str
    stage: int
    attempt: int
    slice: int = 0
    slices: int = 0
    """Slices of its attempt; 0 where the Job does not tell."""
    hosts: int = 0
    """Pods of this Job (completions); 0 where it does not tell."""
    image: str = ""
    """Image of the trainer's container."""
    template: str | None = None
    """A hash of the parts of the spec that the pods were created from."""
    succeeded: int = 0
    failed: bool = False
    """Whether the Job has the condition Failed or FailureTarget: all its pods have ended."""
    failed_indexes: frozenset[int] = frozenset()
    """Hosts, numbered over all slices, whose pod failed or was deleted."""
    message: str = ""
    since: str = ""
    """When the Job was created."""
    suspended: bool = False
    """Whether somebody (a queue, a person) has the Job controller create no pods and delete the existing ones."""
    held: bool = False
    """Whether the Job of this slice waits, without pods, for the operator to create those of the others."""
    queue: str = ""
    """The LocalQueue that the Job is submitted to; empty when there is none."""
    queued: Waiting | None = None
    """What the queue reports about a suspended Job; None when it has not reported anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationView:
    """The Job that prepares a data set, with its pods and the report of worker 0. Stage and attempt of Job and pods are 0."""

    dataset: str
    run: int
    """Number of the preparation of this data set: the newest one is the greatest."""
    job: JobView
    workers: int
    complete: bool = False
    """Whether all workers exited with 0."""
    pods: tuple[PodView, ...] = ()
    """The pods of this Job only."""
    report: Preparation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The children of a training that its uid owns, and which actions failed."""

    jobs: tuple[JobView, ...] = ()
    """The Jobs of attempts."""
    pods: tuple[PodView, ...] = ()
    """The pods of attempts."""
    preparations: tuple[PreparationView, ...] = ()
    incomplete: frozenset[str] = frozenset()
    """Names of attempts and preparations with an unfinished Job that lack an object which their pods need, such as the Lease."""
    leases: frozenset[tuple[int, int]] = frozenset()
    """Stage and attempt of each Lease that exists. It is deleted last, so that it tells of what is left of an attempt without a Job."""
    preparation_leases: frozenset[str] = frozenset()
    """Names of the Leases of preparations, which are also the names of their Jobs."""
    reports: Mapping[tuple[int, int], Progress] = field(default_factory=dict)
    """The progress report on the Lease of (stage, attempt)."""
    lost_nodes: Mapping[str, str] = field(default_factory=dict)
    """Nodes that are NotReady or deleted, each with the reason: NodeNotReady, NodeGone or NodeReclaimed. What still runs
    there is a zombie, which writes only into the folder of its own attempt."""
    node_pools: Mapping[str, str] = field(default_factory=dict)
    """Node pools of nodes whose pods failed or are being deleted, for slices of several TPU hosts."""
    renewed: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """When the Lease of (stage, attempt) was last renewed, by the clock of process 0, in whole seconds; absent before the first renewal."""
    trainer_image: str = ""
    """The trainer image of the operator's installation."""
    failed_actions: tuple[ActionFailure, ...] = ()
    """The actions of this pass that failed, when its plan is made again because of that."""

    def preparation_of(self, dataset: str, run: int) -> PreparationView | None:
        return next((view for view in self.preparations if (view.dataset, view.run) == (dataset, run)), None)

    def jobs_of(self, stage: int, attempt: int) -> tuple[JobView, ...]:
        """The Jobs of the attempt in the order of their slices, as far as they exist."""
        return tuple(sorted((job for job in self.jobs if (job.stage, job.attempt) == (stage, attempt)), key=lambda job: job.slice))

    def pods_of(self, stage: int, attempt: int) -> tuple[PodView, ...]:
        return tuple(pod for pod in self.pods if (pod.stage, pod.attempt) == (stage, attempt))

    def blocks_next_attempt(self, pod: PodView, now: datetime) -> bool:
        """Whether the pod keeps the next attempt from starting: one on a lost node, or that ought to be gone for long, is a zombie."""
        return pod.live and pod.node not in self.lost_nodes and not self._overdue(pod, now)

    @staticmethod
    def _overdue(pod: PodView, now: datetime) -> bool:
        return pod.deletion_deadline is not None and seconds_since(pod.deletion_deadline, now) > OVERDUE_SECONDS
