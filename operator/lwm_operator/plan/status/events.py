"""The Events of `kubectl describe`: what changed from the old status to the new one, told once."""

from lwm_operator.api.names import job_name
from lwm_operator.api.status import Attempt, AttemptState, Phase, StageState, StageStatus, Status
from lwm_operator.api.training import Training
from lwm_operator.plan.actions import Event
from lwm_operator.plan.formatting import count
from lwm_operator.plan.status import dataset_events


def new_events(training: Training, old: Status, new: Status) -> tuple[Event, ...]:
    """In the order in which things happened."""
    found: list[Event] = []
    said = next((condition.message for condition in new.conditions if condition.type == "Accepted"), "")
    if _is_refused(new) and not _is_refused(old):
        found.append(_event("Refused", said, f"{new.observed_generation}", _order(0, 0, 0), warning=True))
    if said and not _is_refused(new) and new.observed_generation != old.observed_generation:
        found.append(_event("SpecWarning", said.removeprefix("warning: "), f"{new.observed_generation}", _order(0, 0, 1), warning=True))
    found += dataset_events.new_dataset_events(old.datasets, new.datasets)
    before = {stage.name: stage for stage in old.stages}
    for number, stage in enumerate(new.stages, start=1):
        found += _stage_events(training, number, before.get(stage.name, StageStatus(name=stage.name)), stage)
    if new.phase != old.phase:
        if new.phase == Phase.COMPLETE:
            found.append(_event("TrainingComplete", new.message, str(len(new.stages)), _order(99, 0, 0)))
        stopped = {Phase.FAILED: "TrainingFailed", Phase.PAUSED: "TrainingPaused"}.get(new.phase)
        key = f"{new.current_stage}/{new.attempt}"
        # A stage that failed before its first attempt, for its data, may do so again.
        stop = key if new.attempt is not None else f"{key}/{new.observed_resume}"
        if stopped is not None:
            found.append(_event(stopped, new.message, stop, _order(new.current_stage or 0, new.attempt or 0, 9), warning=True))
        if new.phase == Phase.SUSPENDED:
            said = f"spec.suspend is true: {new.message}"
            found.append(
                _event("TrainingSuspended", said, f"{key}/{new.observed_generation}", _order(new.current_stage or 0, new.attempt or 0, 8))
            )
    return tuple(found)


def _is_refused(status: Status) -> bool:
    return any(condition.type == "Accepted" and condition.status == "False" for condition in status.conditions)


def _stage_events(training: Training, number: int, old: StageStatus, new: StageStatus) -> list[Event]:
    found: list[Event] = []
    settings, stages = training.spec.stages[number - 1], len(training.spec.stages)
    if new.state != StageState.PENDING and old.state == StageState.PENDING:
        said = (
            f"stage {number}/{stages} {new.name}: context {settings.context_length}, theta {settings.rope_theta:g}, "
            f"{new.total_steps} steps of {count(settings.batch_tokens)} tokens{_first_parameters(training) if number == 1 else ''}"
        )
        found.append(_event("StageStarted", said, f"{number}", _order(number, 0, 0)))
    known = {attempt.number: attempt for attempt in old.recent_attempts}
    for attempt in reversed(new.recent_attempts):
        found += _attempt_events(training, number, new, known.get(attempt.number), attempt)
    if new.state == StageState.COMPLETE and old.state != StageState.COMPLETE and new.final_checkpoint is not None:
        said = f"stage {number}/{stages} {new.name}: step {new.step}, loss {new.loss}, checkpoint {new.final_checkpoint.path}"
        found.append(_event("StageComplete", said, f"{number}", _order(number, 99999, 9)))
    return found


def _first_parameters(training: Training) -> str:
    place = training.spec.model.init_from
    if place is None:
        return ""
    where = place.uri or (f"claim {place.pvc.claim_name}, folder {place.pvc.sub_path or '/'}" if place.pvc is not None else "")
    return f", from spec.model.initFrom: {where}"


def _attempt_events(training: Training, number: int, stage: StageStatus, old: Attempt | None, new: Attempt) -> list[Event]:
    found: list[Event] = []
    key = f"{number}/{new.number}"
    if old is None:
        said = f"attempt {new.number} of stage {stage.name}, Job {job_name(training.metadata.name, number, new.number)}"
        if new.avoided_nodes:
            said += f", away from {', '.join(new.avoided_nodes)}"
        if rollback := next((each for each in stage.rollbacks if each.attempt == new.number), None):
            said += f", rolled back to step {rollback.step}, {rollback.skip_batches} batches passed over"
        found.append(_event("AttemptStarted", said, key, _order(number, new.number, 1)))
    if new.committed_step > new.from_step and (old is None or old.committed_step <= old.from_step):
        said = f"attempt {new.number} of stage {stage.name} committed step {new.committed_step}, its first; later ones show in status"
        found.append(_event("CheckpointCommitted", said, key, _order(number, new.number, 2)))
    if new.state == AttemptState.FAILED and new.root_cause is not None and (old is None or old.state != AttemptState.FAILED):
        cause = new.root_cause
        said = (
            f"attempt {new.number} of stage {stage.name} ended at step {new.step}: {cause.reason} ({cause.failure_class}): {cause.message}"
        )
        found.append(_event("AttemptFailed", said, key, _order(number, new.number, 3), warning=True))
    return found


def _order(stage: int, attempt: int, rank: int) -> str:
    return f"s{stage:02}-a{attempt:05}-{rank}"


def _event(reason: str, message: str, key: str, order: str, *, warning: bool = False) -> Event:
    return Event(reason=reason, message=message[:1000], key=f"{reason}/{key}", order=order, type="Warning" if warning else "Normal")
