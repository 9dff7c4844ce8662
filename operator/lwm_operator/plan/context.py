"""What the policies decide on: the current stage with its attempt, the observed children, and the time."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from lwm_operator.api.dataset_status import DatasetStatus
from lwm_operator.api.execution import Execution
from lwm_operator.api.failure_policy import FailurePolicy
from lwm_operator.api.stage import Stage
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.api.status import NodeFault
from lwm_operator.api.training import Training
from lwm_operator.plan.multislice import merge_jobs
from lwm_operator.plan.observed import JobView, Observed, PodView
from lwm_operator.platforms.error import PlatformError
from lwm_operator.platforms.gang import Gang, gang_of
from lwm_trainer.config import Progress


@dataclass(frozen=True, kw_only=True)
class PlanContext:
    """`index` (0-based) is the current stage in `entries`. With any `spec_errors` no pod may be created."""

    training: Training
    entries: tuple[StageStatus, ...]
    index: int
    observed: Observed
    now: datetime
    spec_errors: tuple[str, ...]
    node_faults: tuple[NodeFault, ...]
    datasets: tuple[DatasetStatus, ...] = ()
    """The data sets that are prepared."""

    def with_entry(self, entry: StageStatus) -> "PlanContext":
        """The context with the entry of the current stage replaced."""
        return replace(self, entries=(*self.entries[: self.index], entry, *self.entries[self.index + 1 :]))

    @property
    def entry(self) -> StageStatus:
        return self.entries[self.index]

    @property
    def stage_number(self) -> int:
        """The number of the current stage, 1-based as in names."""
        return self.index + 1

    @property
    def stage_label(self) -> str:
        return f"stage {self.stage_number}/{len(self.entries)} {self.entry.name}"

    @property
    def policy(self) -> FailurePolicy:
        return self.training.spec.failure_policy

    @property
    def execution(self) -> Execution:
        return self.training.spec.execution

    @cached_property
    def gang(self) -> Gang | None:
        """The gang of the current stage; None for an invalid spec."""
        spec = self.training.spec
        try:
            return gang_of(spec.accelerator_of(self.stage))
        except PlatformError:
            return None

    @property
    def stage(self) -> Stage:
        """The current stage in the spec."""
        return self.training.spec.stages[self.index]

    @property
    def is_placed_by_node_pool(self) -> bool:
        """Whether all pods of a slice must run in one node pool."""
        return self.gang is not None and self.gang.platform == "tpu" and self.gang.hosts_per_slice > 1

    @property
    def prepared_datasets(self) -> tuple[DatasetStatus, ...]:
        """The data sets with a preparation that the current stage reads."""
        spec = self.training.spec
        names = spec.dataset_names_of(self.stage)
        return tuple(entry for entry in self.datasets if entry.name in names)

    @property
    def slices(self) -> int:
        """The slices of the newest attempt. What its Jobs say counts, for the platform tables may have changed since they were created."""
        counts = [job.slices for job in self.jobs if job.slices]
        return counts[0] if counts else self.gang.slices if self.gang is not None else max((job.slice + 1 for job in self.jobs), default=1)

    @property
    def hosts(self) -> int:
        """The hosts of the newest attempt by its Jobs, or of the next one by the spec; 0 when nothing tells."""
        per_slice = [job.hosts for job in self.jobs if job.hosts]
        return per_slice[0] * self.slices if per_slice else self.gang.hosts if self.gang is not None else 0

    @cached_property
    def pods(self) -> tuple[PodView, ...]:
        """The pods of the newest attempt."""
        return self.observed.pods_of(self.stage_number, self.entry.attempts)

    @property
    def survivors(self) -> list[PodView]:
        """The pods of the newest attempt that keep the next one from starting."""
        return [pod for pod in self.pods if self.observed.blocks_next_attempt(pod, self.now)]

    @cached_property
    def jobs(self) -> tuple[JobView, ...]:
        """The Jobs of the newest attempt, one for each slice, as far as they exist."""
        return self.observed.jobs_of(self.stage_number, self.entry.attempts)

    @cached_property
    def job(self) -> JobView | None:
        """The Jobs of all slices merged into one; None unless all of them exist."""
        return merge_jobs(self.jobs, self.slices)

    @property
    def report(self) -> Progress | None:
        return self.observed.reports.get((self.stage_number, self.entry.attempts))

    @property
    def renewed(self) -> str | None:
        """When process 0 last renewed the Lease of the newest attempt."""
        return self.observed.renewed.get((self.stage_number, self.entry.attempts))
