"""A prepared data set whose folder is gone, which an attempt finds out: it is prepared again, unless that has not helped before."""

from lwm_operator.api.attempt_status import FailureClass, RootCause
from lwm_operator.api.dataset_status import DatasetState, DatasetStatus
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.plan.reasons import RunningReason, TrainerReason

MAX_DATA_LOSSES = 3
"""Attempts without a new checkpoint that may miss a prepared data set. More miss it only when something deletes it all the time, or when
the pods see other storage than the workers of the preparation."""


def lost_dataset(cause: RootCause, datasets: tuple[DatasetStatus, ...]) -> DatasetStatus | None:
    """The prepared data set whose folder the attempt did not find; None when it ended for another reason."""
    if cause.reason != TrainerReason.DATA_MISSING:
        return None
    prepared = (entry for entry in datasets if entry.state == DatasetState.READY and entry.path is not None)
    return next((entry for entry in prepared if str(entry.path) in cause.message), None)


def is_data_loss(cause: RootCause | None) -> bool:
    """Whether the attempt was charged for a lost data set. Any other missing data is a permanent failure."""
    return cause is not None and (cause.failure_class, cause.reason) == (FailureClass.INFRA, TrainerReason.DATA_MISSING)


def count_data_losses(entry: StageStatus) -> int:
    """How many of the failures that are charged to budget `infra` now are lost data sets."""
    causes = (attempt.root_cause for attempt in entry.recent_attempts)
    infra = [cause for cause in causes if cause is not None and cause.failure_class == FailureClass.INFRA]
    return sum(is_data_loss(cause) for cause in infra[: entry.budgets_used.infra])


def next_run(entry: DatasetStatus, resume: int) -> DatasetStatus:
    """The entry when the data set is prepared again. The run's number is new, for a Job of the old number may still exist."""
    return DatasetStatus(name=entry.name, run=max(resume, entry.run + 1), reason=RunningReason.PREPARING)


def prepare_again(datasets: tuple[DatasetStatus, ...], lost: DatasetStatus, resume: int) -> tuple[DatasetStatus, ...]:
    return tuple(next_run(entry, resume) if entry.name == lost.name else entry for entry in datasets)
