"""Where a training stands, for the policies: the current stage with its attempt, its children, and the time."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from lwm_operator.api.failure_policy import FailurePolicy
from lwm_operator.api.status import DatasetStatus, NodeFault, StageStatus
from lwm_operator.api.training import Training
from lwm_operator.plan.multislice import merge_jobs
from lwm_operator.plan.observed import JobView, Observed, PodView
from lwm_operator.platforms.error import PlatformError
from lwm_operator.platforms.gang import Gang, gang_of
from lwm_trainer.config import Progress


@dataclass(frozen=True, kw_only=True)
class PlanContext:
    """`index` (0-based) is the current stage in `entries`; `spec_errors` holds the sentences for which no pod may be made."""

    training: Training
    entries: tuple[StageStatus, ...]
    index: int
    observed: Observed
    now: datetime
    spec_errors: tuple[str, ...]
    node_faults: tuple[NodeFault, ...]
    datasets: tuple[DatasetStatus, ...] = ()
    """Of the data sets that are prepared."""

    def with_entry(self, entry: StageStatus) -> "PlanContext":
        """With the current stage's entry replaced."""
        return replace(self, entries=(*self.entries[: self.index], entry, *self.entries[self.index + 1 :]))

    @property
    def entry(self) -> StageStatus:
        return self.entries[self.index]

    @property
    def stage_number(self) -> int:
        """Of the stage, 1-based, as in names."""
        return self.index + 1

    @property
    def stage_label(self) -> str:
        return f"stage {self.stage_number}/{len(self.entries)} {self.entry.name}"

    @property
    def policy(self) -> FailurePolicy:
        return self.training.spec.failure_policy

    @cached_property
    def gang(self) -> Gang | None:
        """None of a spec that is refused."""
        spec = self.training.spec
        try:
            return gang_of(spec.accelerator_of(spec.stages[self.index]))
        except PlatformError:
            return None

    @property
    def prepared_datasets(self) -> tuple[DatasetStatus, ...]:
        """The prepared data sets of the current stage."""
        spec = self.training.spec
        names = spec.weights_of(spec.stages[self.index])
        return tuple(each for each in self.datasets if each.name in names)

    @property
    def hosts(self) -> int:
        return self.gang.hosts if self.gang is not None else 0

    @cached_property
    def pods(self) -> tuple[PodView, ...]:
        """Of the newest attempt."""
        return self.observed.pods_of(self.stage_number, self.entry.attempts)

    @property
    def survivors(self) -> list[PodView]:
        """Of the newest attempt: the pods that keep the next one from starting."""
        return [pod for pod in self.pods if self.observed.blocks_next_attempt(pod, self.now)]

    @cached_property
    def jobs(self) -> tuple[JobView, ...]:
        """Of the newest attempt, one for each slice as far as they are there."""
        return self.observed.jobs_of(self.stage_number, self.entry.attempts)

    @cached_property
    def job(self) -> JobView | None:
        """All of them as one; None unless all are there."""
        return merge_jobs(self.jobs, self.gang.slices if self.gang is not None else 1)

    @property
    def report(self) -> Progress | None:
        return self.observed.reports.get((self.stage_number, self.entry.attempts))

    @property
    def renewed(self) -> str | None:
        """When process 0 last renewed the attempt's Lease."""
        return self.observed.renewed.get((self.stage_number, self.entry.attempts))
