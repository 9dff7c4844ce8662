"""What a pretend API server holds. Its clock is not the operator's."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lwm_operator.api.status import Status
from lwm_operator.api.training import Training
from lwm_operator.plan.actions import CreateAttempt, Plan
from lwm_operator.plan.observed import JobView, Observed, PodView, PreparationView
from lwm_operator.plan.plan import plan
from lwm_operator.platforms.gang import gang_of
from lwm_trainer.config import Progress
from simulation.builders import NOW
from simulation.fake_bucket import Bucket, Gang, Number
from simulation.invariants import Promises

BAD_IMAGE = "trainer:missing"

Planner = Callable[[Training, Observed, datetime], Plan]


class RefusedError(Exception):
    """The API server refuses a creation, as with an exceeded quota."""


@dataclass
class Cluster:
    """`now` is the operator's clock, `skew` what it has beyond everybody else's."""

    training: Training
    now: datetime = NOW
    skew: timedelta = timedelta(0)
    jobs: dict[str, JobView] = field(default_factory=dict)
    pods: dict[str, PodView] = field(default_factory=dict)
    reports: dict[Number, Progress] = field(default_factory=dict)
    renewed: dict[Number, str] = field(default_factory=dict)
    leases: set[Number] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    """Nodes that are not ready."""
    cordoned: set[str] = field(default_factory=set)
    room: int | None = None
    """How many pods find a node at most."""
    quota: bool = False
    """Creations are refused."""
    lag: bool = False
    """The Job controller is slow: it makes no pods, and Jobs do not show what became of theirs."""
    forsaken: set[str] = field(default_factory=set)
    """Uids of pods that were taken from a suspended Job: its controller counts them nowhere, and makes others in their place."""
    taken: set[str] = field(default_factory=set)
    """Uids of Jobs that the queue took back while all was well with their pods, and did not admit again."""
    unmade: list[str] = field(default_factory=list)
    """Uids of Jobs that have no pods yet."""
    uncounted: list[tuple[str, int]] = field(default_factory=list)
    """Job and index of pods that are gone."""
    bucket: Bucket = field(default_factory=Bucket)
    gangs: dict[str, Gang] = field(default_factory=dict)
    """By the uid of their Job."""
    members: dict[str, Gang] = field(default_factory=dict)
    """By the uid of each pod."""
    preparations: dict[str, PreparationView] = field(default_factory=dict)
    """By the name of their Job."""
    begun: list[str] = field(default_factory=list)
    """The image of each preparation that ever was."""
    written: Counter[str] = field(default_factory=Counter)
    """Shards of each data set: they stay."""
    spoiled: set[str] = field(default_factory=set)
    """Data sets with a broken line."""
    created: list[CreateAttempt] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)
    planner: Planner = plan
    promises: Promises = field(default_factory=Promises)

    @property
    def hosts(self) -> int:
        """Of all slices."""
        return gang_of(self.training.spec.accelerator).hosts

    @property
    def slices(self) -> int:
        return gang_of(self.training.spec.accelerator).slices

    @property
    def crews(self) -> list[Gang]:
        """The processes of each attempt once: the Jobs of its slices share them."""
        return list({id(gang): gang for gang in self.gangs.values()}.values())

    @property
    def clock(self) -> datetime:
        """Of the API server, the kubelets and the trainers."""
        return self.now - self.skew

    def observed(self) -> Observed:
        """As `cluster.snapshot` sees it: nodes are asked for only where a live pod is being deleted."""
        pods = tuple(self.pods.values())
        return Observed(
            jobs=tuple(self.jobs.values()),
            pods=pods,
            reports=dict(self.reports),
            lost_nodes=frozenset(pod.node for pod in pods if pod.live and pod.node in self.lost and pod.node is not None),
            renewed=dict(self.renewed),
            preparations=tuple(self.preparations.values()),
        )

    def write(self, status: Status, *, by_operator: bool = True) -> None:
        """The stored status is replaced."""
        old = self.training.status
        self._store(status=status)
        if by_operator:
            self.promises.written(self, old, status)

    def edit(self, **changes: object) -> None:
        """Of the spec."""
        about = self.training.metadata
        metadata = about.model_copy(update={"generation": about.generation + 1})
        self._store(metadata=metadata, spec=self.training.spec.model_copy(update=changes))

    def _store(self, **changes: object) -> None:
        training = self.training.model_copy(update=changes)
        about = training.metadata
        self.training = training.model_copy(
            update={"metadata": about.model_copy(update={"resource_version": str(int(about.resource_version) + 1)})}
        )
