"""What is there: small views of Kubernetes objects, parsed once at the edge."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lwm_operator.plan.timestamps import seconds_since
from lwm_trainer.config import Preparation, Progress, TerminationMessage

OVERDUE_SECONDS = 120.0
"""Past the grace of its deletion, a pod that is still there is not waited for: nobody acknowledges it."""


class PodState(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why a pod does not run yet (or, NodeNotReady, not any longer), in the words of the scheduler, the kubelet or an Event."""

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
    """Of its host, 0-based over all slices."""
    state: PodState
    slice: int = 0
    node: str | None = None
    deleting: bool = False
    grace_seconds: int = 30
    """Only meaningful while deleting."""
    gone_by: str | None = None
    """While deleting: when its grace is over (deletionTimestamp)."""
    exit_code: int | None = None
    reason: str = ""
    """Of a failed pod: OOMKilled, Evicted, Error and the like."""
    message: str = ""
    termination_message: TerminationMessage | None = None
    waiting: Waiting | None = None
    memory_limit: str = ""
    ready: bool = True
    """False of a running pod: the node controller has given its node up."""
    given_up: str | None = None
    """Since when it is surely that: its containers were ready when their kubelet was last heard."""

    @property
    def ran(self) -> bool:
        """Whether its containers have ever started."""
        return self.state != PodState.PENDING

    @property
    def live(self) -> bool:
        """Containers may still run."""
        return self.state in (PodState.PENDING, PodState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    name: str
    uid: str
    stage: int
    attempt: int
    slice: int = 0
    template: str | None = None
    """A hash of the parts of the spec that its pods carry, as they were when it was made."""
    succeeded: int = 0
    failed: bool = False
    """Condition Failed or FailureTarget: all its pods have ended."""
    failed_indexes: frozenset[int] = frozenset()
    """Hosts, counted over all slices, whose pod failed or was deleted."""
    message: str = ""
    since: str = ""
    """When it was created."""
    suspended: bool = False
    """Its controller makes no pods, and takes away those that there are."""
    queue: str = ""
    """The LocalQueue that it waits for; empty when it was made for none."""
    queued: Waiting | None = None
    """Of a suspended Job: what its queue says, with or without a reason. None: nobody has said anything yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationView:
    """The Job that prepares a data set, with its pods and what worker 0 reports. Stage and attempt of Job and pods are 0."""

    dataset: str
    run: int
    """The value of spec.resume with which it was begun."""
    job: JobView
    workers: int
    complete: bool = False
    """All workers have left with 0."""
    pods: tuple[PodView, ...] = ()
    """Of this very Job."""
    report: Preparation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A training's children. Only those that its uid owns."""

    jobs: tuple[JobView, ...] = ()
    """Of attempts."""
    pods: tuple[PodView, ...] = ()
    """Of attempts."""
    preparations: tuple[PreparationView, ...] = ()
    reports: Mapping[tuple[int, int], Progress] = field(default_factory=dict)
    """The progress on the Lease of (stage, attempt)."""
    lost_nodes: frozenset[str] = frozenset()
    """Nodes that are NotReady or gone: what runs there is a zombie, which writes only into its own attempt's folder."""
    renewed: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """When the Lease of (stage, attempt) was last renewed, by process 0's clock, in whole seconds; absent until it was once."""

    def preparation_of(self, dataset: str, run: int) -> PreparationView | None:
        return next((view for view in self.preparations if (view.dataset, view.run) == (dataset, run)), None)

    def jobs_of(self, stage: int, attempt: int) -> tuple[JobView, ...]:
        """One for each slice, in their order, as far as they are there."""
        return tuple(sorted((job for job in self.jobs if (job.stage, job.attempt) == (stage, attempt)), key=lambda job: job.slice))

    def pods_of(self, stage: int, attempt: int) -> tuple[PodView, ...]:
        return tuple(pod for pod in self.pods if (pod.stage, pod.attempt) == (stage, attempt))

    def blocks_next_attempt(self, pod: PodView, now: datetime) -> bool:
        """Whether the pod keeps the next attempt from starting: one on a lost node, or that ought to be gone for long, is a zombie."""
        return pod.live and pod.node not in self.lost_nodes and not self._overdue(pod, now)

    @staticmethod
    def _overdue(pod: PodView, now: datetime) -> bool:
        return pod.gone_by is not None and seconds_since(pod.gone_by, now) > OVERDUE_SECONDS
