"""Data sets are prepared beside the training: every one that a coming stage draws on from the start, and a stage waits for its own.

The Job's name follows from data set and `run`, the value of spec.resume when it was begun; its workers may be made again at any time. So
nothing but `run` has to be known of a preparation that is not done, and it is made anew whenever its Job is not there.
"""

from collections.abc import Iterator

from lwm_operator.api.dataset import Dataset
from lwm_operator.api.spec import Spec
from lwm_operator.api.status import DatasetState, DatasetStatus, Phase, StageState, StageStatus, Status
from lwm_operator.api.training import Training
from lwm_operator.plan.actions import Action, CreateAttempt, CreatePreparation, DeletePod, DeletePreparation
from lwm_operator.plan.attempt import queueing, template_change
from lwm_operator.plan.attempt.root_cause import root_cause
from lwm_operator.plan.formatting import count, duration
from lwm_operator.plan.observed import Observed, PodState, PreparationView
from lwm_operator.plan.pending import pending_pods
from lwm_operator.plan.reasons import LifecycleReason, PendingReason, RunningReason, TrainerReason
from lwm_trainer.config import FATAL_EXIT_CODES, Preparation, Prepared

PREPARING = str(RunningReason.PREPARING)
CREATE_FAILED = str(LifecycleReason.CREATE_FAILED)
DONE = (DatasetState.READY, DatasetState.FAILED)
GOING = (Phase.STARTING, Phase.RUNNING, Phase.RECOVERING)
"""A training that has stopped begins nothing more; what it has begun goes on."""
LIMIT = 1000
"""Of a message in status."""
BEING_CREATED = "its preparation is being created"


def observe_datasets(training: Training, observed: Observed) -> tuple[DatasetStatus, ...]:
    """One entry for each data set that is prepared, brought up to what is observed; spec.resume gives a failed one another run."""
    spec, known = training.spec, {entry.name: entry for entry in training.status.datasets}
    found = []
    for dataset in spec.datasets:
        if dataset.preparation is None:
            continue
        entry = known.get(dataset.name) or _initial_entry(dataset, spec, observed)
        if entry.state not in DONE:
            entry = _observe_dataset(entry, observed.preparation_of(dataset.name, entry.run), observed)
        if entry.state == DatasetState.FAILED and spec.resume > max(training.status.observed_resume, entry.run):
            entry = DatasetStatus(name=dataset.name, run=spec.resume, reason=PREPARING)
        found.append(entry)
    return tuple(found)


def preparation_actions(
    training: Training, entries: tuple[StageStatus, ...], datasets: tuple[DatasetStatus, ...], observed: Observed, phase: Phase
) -> Iterator[Action]:
    """Create what a coming stage needs and is not there; end what is not needed, is to be suspended, or was made from an older spec."""
    spec = training.spec
    needed = _needed_datasets(spec, entries)
    known = {entry.name: entry for entry in datasets}
    for number, dataset in enumerate(spec.datasets, start=1):
        if (entry := known.get(dataset.name)) is None:
            continue
        yield from (_deletion(view) for view in observed.preparations if view.dataset == entry.name and view.run != entry.run)
        view = observed.preparation_of(entry.name, entry.run)
        if entry.state in DONE:
            continue
        if view is None:
            if entry.name in needed and phase in GOING and not spec.suspend:
                yield CreatePreparation(number=number, run=entry.run, template=template_change.template_hash(spec))
        elif spec.suspend or entry.name not in needed or template_change.superseded_cause(view.job, spec, view.pods) is not None:
            yield _deletion(view)
        else:
            yield from _release_lost_workers(view, observed)


def preparation_deletions(observed: Observed) -> tuple[DeletePreparation, ...]:
    """All Jobs of preparations, as what would remove them."""
    return tuple(_deletion(view) for view in observed.preparations)


def explain_unprepared(drawn_on: tuple[DatasetStatus, ...]) -> tuple[str, str] | None:
    """Why a stage that draws on these data sets cannot begin: the worst reason, and a line. None: they are all ready."""
    left = [entry for entry in drawn_on if entry.state != DatasetState.READY]
    if not left:
        return None
    failed = [entry for entry in left if entry.state == DatasetState.FAILED]
    first = next((entry for entry in failed or left if entry.reason != PREPARING), left[0])
    others = [entry for entry in failed or left if entry is not first]
    return first.reason, "; ".join(f"data set {entry.name}: {entry.message or BEING_CREATED}" for entry in (first, *others))[:LIMIT]


def has_failed(drawn_on: tuple[DatasetStatus, ...]) -> bool:
    return any(entry.state == DatasetState.FAILED for entry in drawn_on)


def lacks_job(drawn_on: tuple[DatasetStatus, ...], observed: Observed) -> bool:
    """Whether the Job of one of them is not there although it is wanted."""
    return any(entry.state not in DONE and observed.preparation_of(entry.name, entry.run) is None for entry in drawn_on)


def holds_up(action: Action, status: Status) -> bool:
    """Whether the training waits for what this action creates, so that a refusal has to stand in its status."""
    return isinstance(action, CreateAttempt) or (isinstance(action, CreatePreparation) and status.reason in (PREPARING, CREATE_FAILED))


def prepared_places(drawn_on: tuple[DatasetStatus, ...]) -> tuple[tuple[str, str], ...]:
    """Name and place of each."""
    return tuple((entry.name, entry.path) for entry in drawn_on if entry.path is not None)


def _needed_datasets(spec: Spec, entries: tuple[StageStatus, ...]) -> set[str]:
    """The data sets that a stage which is not complete draws on."""
    coming = [stage for stage, entry in zip(spec.stages, entries, strict=True) if entry.state != StageState.COMPLETE]
    return {name for stage in coming for name in spec.weights_of(stage)}


def _initial_entry(dataset: Dataset, spec: Spec, observed: Observed) -> DatasetStatus:
    """Of a new training; or the status was lost, and its newest Job tells which run it is."""
    runs = [view.run for view in observed.preparations if view.dataset == dataset.name]
    return DatasetStatus(name=dataset.name, run=max(runs, default=spec.resume), reason=PREPARING)


def _observe_dataset(entry: DatasetStatus, view: PreparationView | None, observed: Observed) -> DatasetStatus:
    if view is None:
        return entry.model_copy(update={"state": DatasetState.PENDING, "reason": PREPARING, "message": "", "eta_seconds": None})
    entry = _apply_report(entry, view.report)
    if view.complete:
        return _complete(entry, view)
    if view.job.failed:
        return _fail(entry, view, observed)
    begun = view.report is not None or any(pod.ran for pod in view.pods)
    reason, message = _explain_progress(view)
    state = DatasetState.PREPARING if begun else DatasetState.PENDING
    return entry.model_copy(update={"state": state, "reason": reason, "message": message[:LIMIT]})


def _apply_report(entry: DatasetStatus, report: Preparation | None) -> DatasetStatus:
    """The entry with what worker 0 says. Floats become strings here."""
    if report is None:
        return entry
    return entry.model_copy(
        update={
            "shards": report.shards,
            "shards_done": report.shards_done,
            "documents": report.documents,
            "tokens": report.tokens,
            "bytes_per_second": None if report.bytes_per_second is None else f"{report.bytes_per_second:.0f}",
            "eta_seconds": report.eta_seconds,
            "skipped": report.skipped,
            "first_skipped": report.first_skipped[:LIMIT] or None,
        }
    )


def _complete(entry: DatasetStatus, view: PreparationView) -> DatasetStatus:
    """Workers that left with 0 count only with the place that they have written to: from the Lease, else from the last words."""
    said = [
        view.report.prepared if view.report is not None else None,
        *(pod.termination_message.prepared for pod in view.pods if pod.termination_message is not None),
    ]
    prepared: Prepared | None = next((each for each in said if each is not None), None)
    if prepared is None:
        message = f"all {view.workers} workers left with 0, but none said where the data lies"
        return entry.model_copy(update={"state": DatasetState.FAILED, "reason": str(TrainerReason.PREPARED_NOWHERE), "message": message})
    skipped = f", {count(prepared.skipped)} records skipped" if prepared.skipped else ""
    return entry.model_copy(
        update={
            "state": DatasetState.READY,
            "shards_done": entry.shards,
            "documents": prepared.documents,
            "tokens": prepared.tokens,
            "skipped": prepared.skipped,
            "path": prepared.uri,
            "eta_seconds": None,
            "reason": str(RunningReason.PREPARED),
            "message": f"{count(prepared.documents)} documents, {count(prepared.tokens)} tokens{skipped}",
        }
    )


def _fail(entry: DatasetStatus, view: PreparationView, observed: Observed) -> DatasetStatus:
    """A worker that ended all of it by its exit code says why, else the one whose tries are used up."""
    fatal = tuple(pod for pod in view.pods if pod.exit_code in FATAL_EXIT_CODES)
    cause = root_cause(fatal or view.pods, view.job, observed.lost_nodes)
    words = next(
        (pod.termination_message.message for pod in view.pods if pod.name == cause.pod and pod.termination_message is not None), ""
    )
    said = f"worker {cause.host} ({cause.pod}): {words}" if words else cause.message
    return entry.model_copy(update={"state": DatasetState.FAILED, "reason": cause.reason, "message": said[:LIMIT], "eta_seconds": None})


def _explain_progress(view: PreparationView) -> tuple[str, str]:
    """How far it is, and what holds some of its pods up."""
    if queueing.is_queued(view.job, view.pods):
        reason, said, _ = queueing.explain_queueing(view.job)
        return reason, said
    done = _progress_text(view)
    held = pending_pods.explain_pending(view.job, view.pods, view.workers)
    if held is None:
        return PREPARING, done
    again = max((pod for pod in view.pods if pod.state == PodState.FAILED), key=lambda pod: pod.name, default=None)
    if held[0] == PendingReason.PODS_MISSING and again is not None:
        why = (
            again.termination_message.message
            if again.termination_message is not None and again.termination_message.message
            else again.reason or "it was deleted"
        )
        return PREPARING, f"{done}; worker {again.index} is tried again after: {why}"
    return held[0], f"{held[1]}; {done}" if view.report is not None else held[1]


def _progress_text(view: PreparationView) -> str:
    """`3 of 8 shards, 1.2M tokens, 35 MB/s, 40s left`."""
    report = view.report
    if report is None or not report.shards:
        return "its shards are being counted"
    parts = [f"{report.shards_done} of {report.shards} shards", f"{count(report.tokens)} tokens"]
    if report.bytes_per_second is not None:
        said = count(report.bytes_per_second)
        parts.append(f"{said[:-1]} {said[-1]}B/s" if said[-1].isalpha() else f"{said} B/s")
    if report.eta_seconds is not None:
        parts.append(f"{duration(report.eta_seconds)} left")
    return ", ".join(parts)


def _release_lost_workers(view: PreparationView, observed: Observed) -> Iterator[DeletePod]:
    """A worker on a lost node is replaced only when it is gone, and nobody there acknowledges that it is; what it goes on writing are the
    same bytes as anybody's."""
    for pod in view.pods:
        if pod.live and pod.deleting and pod.grace_seconds > 0 and pod.node in observed.lost_nodes:
            yield DeletePod(name=pod.name, uid=pod.uid, grace_seconds=0)


def _deletion(view: PreparationView) -> DeletePreparation:
    return DeletePreparation(name=view.job.name, uid=view.job.uid)
