"""What is there: small views of Kubernetes objects, parsed once at the edge."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lwm_trainer.config import LastWords, Progress


class PodState(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why a pod does not run yet, in the words of the scheduler or the kubelet."""

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
    state: PodState
    node: str | None = None
    deleting: bool = False
    grace_seconds: int = 30
    """Only meaningful while deleting."""
    exit_code: int | None = None
    reason: str = ""
    """Of a failed pod: OOMKilled, Evicted, Error and the like."""
    message: str = ""
    words: LastWords | None = None
    waiting: Waiting | None = None

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
    succeeded: int = 0
    failed: bool = False
    """Condition Failed or FailureTarget."""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A training's children. Only those that its uid owns."""

    jobs: tuple[JobView, ...] = ()
    pods: tuple[PodView, ...] = ()
    reports: Mapping[tuple[int, int], Progress] = field(default_factory=dict)
    """The progress on the Lease of (stage, attempt)."""
    lost_nodes: frozenset[str] = frozenset()
    """Nodes that are NotReady or gone: what runs there is a zombie, which writes only into its own attempt's folder."""
    renewed: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """When the Lease of (stage, attempt) was last renewed, by process 0's clock, as it stands there; absent until it was once."""

    def job(self, stage: int, attempt: int) -> JobView | None:
        return next((job for job in self.jobs if (job.stage, job.attempt) == (stage, attempt)), None)

    def pods_of(self, stage: int, attempt: int) -> tuple[PodView, ...]:
        return tuple(pod for pod in self.pods if (pod.stage, pod.attempt) == (stage, attempt))

    def holds_on(self, pod: PodView) -> bool:
        """Whether the pod keeps the next attempt from starting."""
        return pod.live and pod.node not in self.lost_nodes
