"""Preparation of data sets: it runs beside the training, and a stage waits only for the data sets that it draws on.

The name of a preparation's Job follows from the data set and from the number `run`, which is new each time that the data set is prepared
again. Its workers may be created again at any time. So nothing but `run` needs to be known of an unfinished preparation, and its Job is
created whenever it does not exist.
"""

from collections.abc import Iterator, Mapping

from lwm_operator.api.dataset import Dataset
from lwm_operator.api.dataset_status import DatasetState, DatasetStatus
from lwm_operator.api.names import preparation_name
from lwm_operator.api.spec import Spec
from lwm_operator.api.stage_status import StageState, StageStatus
from lwm_operator.api.status import Phase, Status
from lwm_operator.api.training import Training
from lwm_operator.plan.actions import Action, CreatePreparation, DeletePod, DeletePreparation
from lwm_operator.plan.attempt import queueing, template_change
from lwm_operator.plan.attempt.root_cause import root_cause
from lwm_operator.plan.attempt.termination import fast_delete
from lwm_operator.plan.failure.data_loss import next_run
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH, count, duration
from lwm_operator.plan.observed import Observed, PodState, PreparationView
from lwm_operator.plan.pending import pending_pods
from lwm_operator.plan.reasons import PendingReason, RunningReason, TrainerReason
from lwm_trainer.config import FATAL_EXIT_CODES, ExitCode, Preparation, Prepared

DONE = (DatasetState.READY, DatasetState.FAILED)
ACTIVE_PHASES = (Phase.STARTING, Phase.RUNNING, Phase.RECOVERING)
"""A training in another phase starts no preparation; those that run continue."""
BEING_CREATED = "its preparation is being created"


def observe_datasets(training: Training, observed: Observed) -> tuple[DatasetStatus, ...]:
    """One entry for each data set that is prepared, updated from what is observed.

    A higher spec.resume starts another run of one that failed, or that was prepared and that the stage stopped for.
    """
    spec, known = training.spec, {entry.name: entry for entry in training.status.datasets}
    entries = []
    for dataset in spec.datasets:
        if dataset.preparation is None:
            continue
        entry = known.get(dataset.name) or _initial_entry(dataset, spec, observed)
        if entry.state not in DONE or _has_lost_path(entry, training.status):
            entry = _observe_dataset(entry, observed.preparation_of(dataset.name, entry.run), observed)
        again = entry.state == DatasetState.FAILED or (entry.state == DatasetState.READY and _is_unusable(entry, training.status))
        if again and spec.resume > training.status.observed_resume:
            entry = next_run(entry, spec.resume)
        entries.append(entry)
    return tuple(entries)


def _has_lost_path(entry: DatasetStatus, status: Status) -> bool:
    """Whether the path of a prepared data set is missing in a training that goes on: another version of the CRD had another name for it.

    The Job that prepared it still tells; without the Job it is prepared again.
    """
    return entry.state == DatasetState.READY and entry.path is None and status.phase != Phase.COMPLETE


def _is_unusable(entry: DatasetStatus, status: Status) -> bool:
    """Whether the newest attempt of a stage failed on the data set's folder."""
    causes = [stage.recent_attempts[0].root_cause for stage in status.stages if stage.recent_attempts]
    about_data = [cause.message for cause in causes if cause is not None and cause.exit_code == ExitCode.BAD_DATA]
    return entry.path is not None and any(entry.path in message for message in about_data)


def preparation_actions(
    training: Training, entries: tuple[StageStatus, ...], datasets: tuple[DatasetStatus, ...], observed: Observed, phase: Phase
) -> Iterator[Action]:
    """Create the preparations that a coming stage needs. Delete those that are not needed, suspended, or made from an older spec."""
    spec = training.spec
    needed = _needed_datasets(spec, entries)
    known = {entry.name: entry for entry in datasets}
    yield from _leftover_deletions(observed, _unfinished_names(training, known))
    for number, dataset in enumerate(spec.datasets, start=1):
        if (entry := known.get(dataset.name)) is None:
            continue
        yield from (_deletion(view) for view in observed.preparations if view.dataset == entry.name and view.run != entry.run)
        view = observed.preparation_of(entry.name, entry.run)
        if entry.state in DONE:
            # Sidecars that outlive the workers keep the Job from ever completing.
            if view is not None and any(pod.sidecars_run for pod in view.pods):
                yield _deletion(view)
            continue
        if view is None:
            if entry.name in needed and phase in ACTIVE_PHASES and not spec.suspend:
                yield CreatePreparation(number=number, run=entry.run, template=template_change.template_hash(spec))
        elif spec.suspend or entry.name not in needed or template_change.superseded_cause(view.job, spec, view.pods) is not None:
            yield _deletion(view)
        else:
            if view.job.name in observed.incomplete:
                yield CreatePreparation(number=number, run=entry.run, template=template_change.template_hash(spec))
            yield from _release_lost_workers(view, observed)
            # The Job retries a worker only once its whole pod has ended.
            yield from fast_delete([pod for pod in view.pods if pod.sidecars_run and pod.state == PodState.FAILED])


def preparation_deletions(observed: Observed) -> tuple[DeletePreparation, ...]:
    """The actions that delete all preparations, and what is left of those whose Job somebody else deleted."""
    return (*(_deletion(view) for view in observed.preparations), *_leftover_deletions(observed, set()))


def explain_unprepared(datasets: tuple[DatasetStatus, ...]) -> tuple[str, str] | None:
    """Why a stage that draws on these data sets cannot begin: reason and message, failures first; None when all are ready."""
    unprepared = [entry for entry in datasets if entry.state != DatasetState.READY]
    if not unprepared:
        return None
    shown = [entry for entry in unprepared if entry.state == DatasetState.FAILED] or unprepared
    first = next((entry for entry in shown if entry.reason != RunningReason.PREPARING), unprepared[0])
    others = [entry for entry in shown if entry is not first]
    message = "; ".join(f"data set {entry.name}: {entry.message or BEING_CREATED}" for entry in (first, *others))
    return first.reason, message[:MAX_MESSAGE_LENGTH]


def has_failed(datasets: tuple[DatasetStatus, ...]) -> bool:
    return any(entry.state == DatasetState.FAILED for entry in datasets)


def lacks_job(datasets: tuple[DatasetStatus, ...], observed: Observed) -> bool:
    """Whether the Job of an unfinished preparation does not exist."""
    return any(entry.state not in DONE and observed.preparation_of(entry.name, entry.run) is None for entry in datasets)


def prepared_places(datasets: tuple[DatasetStatus, ...]) -> tuple[tuple[str, str], ...]:
    """Name and folder of each prepared data set."""
    return tuple((entry.name, entry.path) for entry in datasets if entry.path is not None)


def _needed_datasets(spec: Spec, entries: tuple[StageStatus, ...]) -> set[str]:
    """The data sets that an incomplete stage reads."""
    coming = [stage for stage, entry in zip(spec.stages, entries, strict=True) if entry.state != StageState.COMPLETE]
    return {name for stage in coming for name in spec.dataset_names_of(stage)}


def _initial_entry(dataset: Dataset, spec: Spec, observed: Observed) -> DatasetStatus:
    """The entry for a new training. When the status was lost instead, the newest Job tells which run it is."""
    runs = [view.run for view in observed.preparations if view.dataset == dataset.name]
    return DatasetStatus(name=dataset.name, run=max(runs, default=spec.resume), reason=RunningReason.PREPARING)


def _observe_dataset(entry: DatasetStatus, view: PreparationView | None, observed: Observed) -> DatasetStatus:
    if view is None:
        update = {"state": DatasetState.PENDING, "reason": str(RunningReason.PREPARING), "message": "", "eta_seconds": None}
        return entry.model_copy(update=update)
    entry = _apply_report(entry, view.report)
    if view.complete:
        return _complete(entry, view)
    if view.job.failed:
        return _fail(entry, view, observed)
    has_begun = view.report is not None or any(pod.has_run for pod in view.pods)
    reason, message = _explain_progress(view)
    state = DatasetState.PREPARING if has_begun else DatasetState.PENDING
    return entry.model_copy(update={"state": state, "reason": str(reason), "message": message[:MAX_MESSAGE_LENGTH]})


def _apply_report(entry: DatasetStatus, report: Preparation | None) -> DatasetStatus:
    """The entry with what worker 0 reports. Floats become strings here."""
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
            "first_skipped": report.first_skipped[:MAX_MESSAGE_LENGTH] or None,
            "questions": _describe(report.questions),
        }
    )


def _describe(questions: Mapping[str, int]) -> str | None:
    """Counts of questions, those that are kept first; None where none were made."""
    ordered = sorted(questions.items(), key=lambda item: (item[0] != "kept", item[0]))
    return ", ".join(f"{name} {number}" for name, number in ordered) or None


def _complete(entry: DatasetStatus, view: PreparationView) -> DatasetStatus:
    """Exit code 0 counts only together with the folder that was written, which the Lease or else a termination message reports."""
    reports = [
        view.report.prepared if view.report is not None else None,
        *(pod.termination_message.prepared for pod in view.pods if pod.termination_message is not None),
    ]
    prepared: Prepared | None = next((report for report in reports if report is not None), None)
    if prepared is None:
        message = f"all {view.workers} workers exited with 0, but none reported where the data is"
        return entry.model_copy(
            update={"state": DatasetState.FAILED, "reason": str(TrainerReason.PREPARATION_NOT_REPORTED), "message": message}
        )
    skipped = f", {count(prepared.skipped)} records skipped" if prepared.skipped else ""
    return entry.model_copy(
        update={
            "state": DatasetState.READY,
            "shards_done": entry.shards,
            "documents": prepared.documents,
            "tokens": prepared.tokens,
            "skipped": prepared.skipped,
            "questions": _describe(prepared.questions),
            "path": prepared.uri,
            "eta_seconds": None,
            "reason": str(RunningReason.PREPARED),
            "message": f"{count(prepared.documents)} documents, {count(prepared.tokens)} tokens{skipped}",
        }
    )


def _fail(entry: DatasetStatus, view: PreparationView, observed: Observed) -> DatasetStatus:
    """The cause is a worker with a fatal exit code, which ends the whole preparation, else the worker that used up its retries."""
    fatal = tuple(pod for pod in view.pods if pod.exit_code in FATAL_EXIT_CODES)
    cause = root_cause(fatal or view.pods, view.job, observed.lost_nodes)
    reports = (pod.termination_message.message for pod in view.pods if pod.name == cause.pod and pod.termination_message is not None)
    report = next(reports, "")
    message = f"worker {cause.host} ({cause.pod}): {report}" if report else cause.message
    update = {"state": DatasetState.FAILED, "reason": cause.reason, "message": message[:MAX_MESSAGE_LENGTH], "eta_seconds": None}
    return entry.model_copy(update=update)


def _explain_progress(view: PreparationView) -> tuple[str, str]:
    """Reason and message: how far the preparation is, and what holds some of its pods up."""
    if queueing.is_queued(view.job, view.pods):
        reason, message, _ = queueing.explain_queueing(view.job)
        return reason, message
    progress = _progress_text(view)
    pending = pending_pods.explain_pending(view.job, view.pods, view.workers)
    if pending is None:
        return RunningReason.PREPARING, progress
    failed = max((pod for pod in view.pods if pod.state == PodState.FAILED), key=lambda pod: pod.name, default=None)
    if pending[0] == PendingReason.PODS_MISSING and failed is not None:
        report = failed.termination_message
        failure = report.message if report is not None and report.message else failed.reason or "it was deleted"
        return RunningReason.PREPARING, f"{progress}; worker {failed.index} is retried after: {failure}"
    return pending[0], f"{pending[1]}; {progress}" if view.report is not None else pending[1]


def _progress_text(view: PreparationView) -> str:
    """For example `3 of 8 shards, 1.2M tokens, 35 MB/s, 40s left`."""
    report = view.report
    if report is None or not report.shards:
        return "its shards are being counted"
    parts = [f"{report.shards_done} of {report.shards} shards", f"{count(report.tokens)} tokens"]
    if report.bytes_per_second is not None:
        speed = count(report.bytes_per_second)
        parts.append(f"{speed[:-1]} {speed[-1]}B/s" if speed[-1].isalpha() else f"{speed} B/s")
    if report.frames_per_second is not None:
        parts.append(f"{report.frames_per_second:.1f} frames/s a worker")
    if report.eta_seconds is not None:
        parts.append(f"{duration(report.eta_seconds)} left")
    return ", ".join(parts)


def _release_lost_workers(view: PreparationView, observed: Observed) -> Iterator[DeletePod]:
    """Delete the pods on lost nodes at once.

    A worker is replaced only when its pod no longer exists, and nobody on a lost node confirms that. It may go on writing: all workers
    write the same bytes.
    """
    for pod in view.pods:
        if pod.live and pod.deleting and pod.grace_seconds > 0 and pod.node in observed.lost_nodes:
            yield DeletePod(name=pod.name, uid=pod.uid, grace_seconds=0)


def _unfinished_names(training: Training, known: Mapping[str, DatasetStatus]) -> set[str]:
    """The names of the Jobs of unfinished preparations, which may still be created."""
    return {
        preparation_name(training.metadata.name, number, entry.run)
        for number, dataset in enumerate(training.spec.datasets, start=1)
        if (entry := known.get(dataset.name)) is not None and entry.state not in DONE
    }


def _leftover_deletions(observed: Observed, kept: set[str]) -> Iterator[DeletePreparation]:
    """Delete the objects of preparations without a Job, except those that are kept by name."""
    jobs = {view.job.name for view in observed.preparations}
    for name in sorted(observed.preparation_leases - jobs - kept):
        yield DeletePreparation(name=name, uid=None)


def _deletion(view: PreparationView) -> DeletePreparation:
    return DeletePreparation(name=view.job.name, uid=view.job.uid)
