"""The data of a simulated cluster: what the API server stores, and what is true of nodes, processes and the bucket beside it."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lwm_operator.api.names import job_name
from lwm_operator.api.spec import Spec
from lwm_operator.api.status import Status
from lwm_operator.api.training import Training
from lwm_operator.cluster.port import ClusterError
from lwm_operator.plan.actions import CreateAttempt
from lwm_operator.plan.observed import JobView, Observed, PodView, PreparationView
from lwm_operator.platforms.gang import gang_of
from lwm_trainer.config import Progress
from simulation.builders import NOW
from simulation.fake_bucket import Bucket, Gang, Number
from simulation.invariants import Invariants
from simulation.version_skew import Skew

BAD_IMAGE = "trainer:missing"
GOOD_IMAGE = "trainer:good"
NO_NODE = "0/3 nodes are available: 3 Insufficient cpu."


class RefusedError(ClusterError):
    """The API server refuses a creation, as with an exceeded quota."""


@dataclass
class ClusterState:
    """`now` is the operator's clock, `skew` how far it is ahead of every other clock."""

    training: Training
    now: datetime = NOW
    skew: timedelta = timedelta(0)
    jobs: dict[str, JobView] = field(default_factory=dict)
    pods: dict[str, PodView] = field(default_factory=dict)
    reports: dict[Number, Progress] = field(default_factory=dict)
    renewed: dict[Number, str] = field(default_factory=dict)
    leases: set[Number] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)
    """Names of attempts of which somebody deleted an object that is not the Lease."""
    lost_nodes: set[str] = field(default_factory=set)
    """Nodes that are not ready."""
    reclaimed_nodes: set[str] = field(default_factory=set)
    """Those of them that their provider has taken back."""
    hung_together: set[Number] = field(default_factory=set)
    """Attempts whose hosts all hung at the same step."""
    cordoned_nodes: set[str] = field(default_factory=set)
    capacity: int | None = None
    """How many pods find a node at most; None means that all do."""
    restores: int = 0
    """How often the training came back under another uid."""
    trainer_image: str = GOOD_IMAGE
    """The trainer image of the operator's installation."""
    trainer_skew: Skew = "same"
    """Version of the trainers' contract, compared with the operator's."""
    foreign_jobs: set[str] = field(default_factory=set)
    """Names of Jobs with the training's labels that somebody else owns: they are never read, and their names are taken."""
    sidecars: bool = False
    """Somebody injects a container that ends only when its pod is deleted, and then fails."""
    killed_sidecars: set[str] = field(default_factory=set)
    """Uids of pods whose trainer had ended when their other containers were killed: such a pod has failed, whatever its trainer said."""
    quota_exceeded: bool = False
    """The API server refuses creations."""
    releases_left: int | None = None
    """How many held Jobs the API server still lets go; None means all."""
    job_controller_lags: bool = False
    """The Job controller makes no pods, and Jobs do not show what became of theirs."""
    replaced_pods: set[str] = field(default_factory=set)
    """Uids of pods that were taken from a suspended Job: its controller counts them nowhere, and makes others in their place."""
    evicted_jobs: set[str] = field(default_factory=set)
    """Uids of Jobs that the queue evicted while all was well with their pods, and did not admit again."""
    jobs_without_pods: list[str] = field(default_factory=list)
    """Uids of Jobs whose pods a lagging Job controller has yet to make."""
    uncounted_pods: list[tuple[str, int]] = field(default_factory=list)
    """Job uid and index of removed pods that the Job controller has yet to count as failed."""
    bucket: Bucket = field(default_factory=Bucket)
    gang_by_job: dict[str, Gang] = field(default_factory=dict)
    """The processes of each Job, by its uid."""
    gang_by_pod: dict[str, Gang] = field(default_factory=dict)
    """The processes to which each pod's belongs, by the pod's uid."""
    preparations: dict[str, PreparationView] = field(default_factory=dict)
    """By the name of their Job."""
    preparation_images: list[str] = field(default_factory=list)
    """The image of each preparation that was ever created."""
    shards_written: Counter[str] = field(default_factory=Counter)
    """By data set. Shards stay whatever becomes of the Job that wrote them."""
    lost_datasets: set[str] = field(default_factory=set)
    """Data sets that were prepared and whose folder somebody deleted; until they are prepared again."""
    corrupt_datasets: set[str] = field(default_factory=set)
    """Data sets with a broken line."""
    created: list[CreateAttempt] = field(default_factory=list)
    coverage: Counter[str] = field(default_factory=Counter)
    invariants: Invariants = field(default_factory=Invariants)

    @property
    def hosts(self) -> int:
        """Hosts of all slices together."""
        return gang_of(self.training.spec.accelerator).hosts

    @property
    def slices(self) -> int:
        return gang_of(self.training.spec.accelerator).slices

    @property
    def clock(self) -> datetime:
        """The time by which the API server, the kubelets and the trainers go."""
        return self.now - self.skew

    @property
    def gangs(self) -> list[Gang]:
        """The processes of each attempt once: the Jobs of its slices share them."""
        return list({id(gang): gang for gang in self.gang_by_job.values()}.values())

    @property
    def newest_job(self) -> JobView | None:
        return max(self.jobs.values(), key=lambda job: (job.stage, job.attempt), default=None)

    @property
    def newest_gang(self) -> Gang | None:
        """The processes of the newest Job."""
        job = self.newest_job
        return None if job is None else self.gang_by_job[job.uid]

    @property
    def newest_pods(self) -> list[PodView]:
        """The pods of the newest Job's attempt."""
        job = self.newest_job
        return [] if job is None else [pod for pod in self.pods.values() if (pod.stage, pod.attempt) == (job.stage, job.attempt)]

    @property
    def timers_run(self) -> bool:
        """Whether the placement or the start-up of an attempt is being timed."""
        return any(attempt.placement is not None for entry in self.training.status.stages for attempt in entry.recent_attempts[:1])

    def pods_of(self, job: JobView) -> list[PodView]:
        return [pod for pod in self.pods.values() if (pod.stage, pod.attempt, pod.slice) == (job.stage, job.attempt, job.slice)]

    def _attempts_that_lack_objects(self) -> set[str]:
        """Those with an unfinished Job, as `cluster.companions` finds them."""
        unfinished = {(job.stage, job.attempt) for job in self.jobs.values() if not job.failed}
        named = {job_name(self.training.metadata.name, *number): number for number in unfinished}
        return {name for name, number in named.items() if name in self.incomplete or number not in self.leases}

    def observed(self) -> Observed:
        """The children as `cluster.snapshot` observes them: it asks only for the nodes of live pods."""
        pods = tuple(self.pods.values())
        return Observed(
            jobs=tuple(self.jobs.values()),
            pods=pods,
            leases=frozenset(self.leases),
            incomplete=frozenset(self._attempts_that_lack_objects()),
            reports=dict(self.reports),
            lost_nodes={
                pod.node: "NodeReclaimed" if pod.node in self.reclaimed_nodes else "NodeNotReady"
                for pod in pods
                if pod.live and pod.node in self.lost_nodes and pod.node is not None
            },
            renewed=dict(self.renewed),
            preparations=tuple(self.preparations.values()),
            trainer_image=self.trainer_image,
        )

    def write_status(self, status: Status, age: timedelta = timedelta(0)) -> None:
        """The operator replaces the stored status, by what it observed so long ago."""
        old = self.training.status
        self._store(status=status)
        self.invariants.status_written(self, old, status, age.total_seconds())

    def upgrade(self, spec: Spec) -> None:
        """A newer CRD and operator: the API server returns the same object with the defaults of fields that are new."""
        self._store(spec=spec)

    def rename_fields(self) -> None:
        """A CRD in which fields have other names: the API server drops what the stored object has under the former ones."""
        status = self.training.status
        datasets = tuple(entry.model_copy(update={"path": None}) for entry in status.datasets)
        self._store(lost_fields=("checkpoint.everySteps",), status=status.model_copy(update={"datasets": datasets}))

    def apply_again(self) -> None:
        """The user applies the training with the present names."""
        if self.training.lost_fields:
            self._store(lost_fields=())

    def lose_status(self) -> None:
        """Somebody empties the stored status."""
        self.invariants.status_lost(self)
        self._store(status=Status())

    def restore(self) -> None:
        """The stored training with its status, and none of its children, under another uid."""
        for gang in self.gangs:
            gang.alive.clear()
        for children in (self.jobs, self.pods, self.reports, self.renewed, self.leases, self.preparations):
            children.clear()
        self.jobs_without_pods.clear()
        self.uncounted_pods.clear()
        self.restores += 1
        root = self.training.run_root
        self._store(metadata=self.training.metadata.model_copy(update={"uid": f"{self.restores:08}-0000-0000-0000-000000000000"}))
        assert self.training.run_root == root, "the run continues in its own folder"
        self.coverage["restore under another uid"] += 1

    def edit(self, **changes: object) -> None:
        """A user changes the spec."""
        metadata = self.training.metadata
        metadata = metadata.model_copy(update={"generation": metadata.generation + 1})
        self._store(metadata=metadata, spec=self.training.spec.model_copy(update=changes))

    def _store(self, **changes: object) -> None:
        training = self.training.model_copy(update=changes)
        metadata = training.metadata
        version = str(int(metadata.resource_version) + 1)
        self.training = training.model_copy(update={"metadata": metadata.model_copy(update={"resource_version": version})})
