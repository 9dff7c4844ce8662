"""The Events of `kubectl describe`: each change from the old status to the new one becomes one Event."""

from typing import Literal

from lwm_operator.api.attempt_status import Attempt, AttemptState
from lwm_operator.api.names import job_name
from lwm_operator.api.stage_status import StageState, StageStatus
from lwm_operator.api.status import Phase, Status
from lwm_operator.api.training import Training
from lwm_operator.plan.actions import Event
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH, count
from lwm_operator.plan.reasons import EventReason
from lwm_operator.plan.status.dataset_events import new_dataset_events

STOPPED_EVENTS = {Phase.FAILED: EventReason.TRAINING_FAILED, Phase.PAUSED: EventReason.TRAINING_PAUSED}


def new_events(training: Training, old: Status, new: Status) -> tuple[Event, ...]:
    """The Events in the order in which things happened."""
    events = _spec_events(old, new)
    events += new_dataset_events(old.datasets, new.datasets)
    before = {stage.name: stage for stage in old.stages}
    for number, stage in enumerate(new.stages, start=1):
        events += _stage_events(training, number, before.get(stage.name, StageStatus(name=stage.name)), stage)
    return (*events, *(_phase_events(new) if new.phase != old.phase else ()))


def _spec_events(old: Status, new: Status) -> list[Event]:
    """Events about a spec that is invalid, or accepted with warnings."""
    message = next((condition.message for condition in new.conditions if condition.type == "Accepted"), "")
    generation = str(new.observed_generation)
    events = []
    if _is_invalid(new) and not _is_invalid(old):
        events.append(_event(EventReason.INVALID_SPEC, message, generation, _order(0, 0, 0), warning=True))
    if message and not _is_invalid(new) and new.observed_generation != old.observed_generation:
        events.append(_event(EventReason.SPEC_WARNING, message.removeprefix("warning: "), generation, _order(0, 0, 1), warning=True))
    return events


def _is_invalid(status: Status) -> bool:
    return any(condition.type == "Accepted" and condition.status == "False" for condition in status.conditions)


def _phase_events(new: Status) -> list[Event]:
    """Events about the phase that has begun."""
    key = f"{new.current_stage}/{new.attempt}"
    stage, attempt = new.current_stage or 0, new.attempt or 0
    if new.phase == Phase.COMPLETE:
        return [_event(EventReason.TRAINING_COMPLETE, new.message, str(len(new.stages)), _order(99, 0, 0))]
    if new.phase == Phase.SUSPENDED:
        message = f"spec.suspend is true: {new.message}"
        return [_event(EventReason.TRAINING_SUSPENDED, message, f"{key}/{new.observed_generation}", _order(stage, attempt, 8))]
    if (stopped := STOPPED_EVENTS.get(new.phase)) is not None:
        # A stage whose data failed before its first attempt may fail again after spec.resume.
        key = key if new.attempt is not None else f"{key}/{new.observed_resume}"
        return [_event(stopped, new.message, key, _order(stage, attempt, 9), warning=True)]
    return []


def _stage_events(training: Training, number: int, old: StageStatus, new: StageStatus) -> list[Event]:
    events: list[Event] = []
    stage_spec, label = training.spec.stages[number - 1], f"stage {number}/{len(training.spec.stages)} {new.name}"
    if new.state != StageState.PENDING and old.state == StageState.PENDING:
        message = (
            f"{label}: context {stage_spec.context_length}, theta {stage_spec.rope_theta:g}, "
            f"{new.total_steps} steps of {count(stage_spec.batch_tokens)} tokens{_initial_parameters(training) if number == 1 else ''}"
        )
        events.append(_event(EventReason.STAGE_STARTED, message, f"{number}", _order(number, 0, 0)))
    known = {attempt.number: attempt for attempt in old.recent_attempts}
    for attempt in reversed(new.recent_attempts):
        events += _attempt_events(training, number, new, known.get(attempt.number), attempt)
    if new.committed_step < old.committed_step and new.rollbacks == old.rollbacks:
        newest = new.recent_attempts[0]
        fault = f"is damaged ({newest.damaged_checkpoint})" if newest.damaged_checkpoint else "is no longer in the storage"
        message = f"{label}: checkpoint {old.committed_step} {fault}: attempt {new.attempts} continues from step {newest.from_step}"
        events.append(
            _event(EventReason.CHECKPOINT_LOST, message, f"{number}/{new.attempts}", _order(number, new.attempts, 2), warning=True)
        )
    if new.state == StageState.COMPLETE and old.state != StageState.COMPLETE and new.final_checkpoint is not None:
        message = f"{label}: step {new.step}, loss {new.loss}, checkpoint {new.final_checkpoint.path}"
        events.append(_event(EventReason.STAGE_COMPLETE, message, f"{number}", _order(number, 99999, 9)))
    return events


def _initial_parameters(training: Training) -> str:
    location = training.spec.model.init_from
    if location is None:
        return ""
    claim = location.pvc
    place = location.uri or (f"claim {claim.claim_name}, folder {claim.sub_path or '/'}" if claim is not None else "")
    return f", from spec.model.initFrom: {place}"


def _attempt_events(training: Training, number: int, stage: StageStatus, old: Attempt | None, new: Attempt) -> list[Event]:
    events: list[Event] = []
    key, label = f"{number}/{new.number}", f"attempt {new.number} of stage {stage.name}"
    if old is None:
        message = f"{label}, Job {job_name(training.metadata.name, number, new.number)}"
        if avoided := (*new.avoided_nodes, *(f"node pool {name}" for name in new.avoided_node_pools)):
            message += f", avoiding {', '.join(avoided)}"
        if rollback := next((rollback for rollback in stage.rollbacks if rollback.attempt == new.number), None):
            message += f", rolled back to step {rollback.step}, {rollback.skip_batches} batches skipped"
        if not training.run_root.endswith(f"-{training.metadata.uid[:8]}"):
            message += f", continuing the run of an earlier object below {training.run_root}"
        events.append(_event(EventReason.ATTEMPT_STARTED, message, key, _order(number, new.number, 1)))
    if new.committed_step > new.from_step and (old is None or old.committed_step <= old.from_step):
        message = f"{label} committed step {new.committed_step}, its first commit; later ones show in status"
        events.append(_event(EventReason.CHECKPOINT_COMMITTED, message, key, _order(number, new.number, 2)))
    if new.state == AttemptState.FAILED and new.root_cause is not None and (old is None or old.state != AttemptState.FAILED):
        cause = new.root_cause
        message = f"{label} ended at step {new.step}: {cause.reason} ({cause.failure_class}): {cause.message}"
        events.append(_event(EventReason.ATTEMPT_FAILED, message, key, _order(number, new.number, 3), warning=True))
    return events


def _order(stage: int, attempt: int, rank: int) -> str:
    return f"s{stage:02}-a{attempt:05}-{rank}"


def _event(reason: EventReason, message: str, key: str, order: str, *, warning: bool = False) -> Event:
    kind: Literal["Normal", "Warning"] = "Warning" if warning else "Normal"
    return Event(reason=str(reason), message=message[:MAX_MESSAGE_LENGTH], key=f"{reason}/{key}", order=order, type=kind)
