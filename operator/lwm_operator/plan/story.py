"""The Events of `kubectl describe`: what changed from the old status to the new one, told once."""

from lwm_operator.api.spec import Spec
from lwm_operator.api.status import Attempt, AttemptState, Phase, StageState, StageStatus, Status
from lwm_operator.plan.result import Event
from lwm_operator.plan.words import count


def told(spec: Spec, old: Status, new: Status) -> tuple[Event, ...]:
    """In the order in which things happened."""
    found: list[Event] = []
    if _refused(new) and not _refused(old):
        found.append(_event("Refused", new.message or "the spec makes no sense", f"{new.observed_generation}", warning=True))
    before = {stage.name: stage for stage in old.stages}
    for number, stage in enumerate(new.stages, start=1):
        found += _stage(spec, number, before.get(stage.name, StageStatus(name=stage.name)), stage, len(new.stages))
    if new.phase != old.phase:
        if new.phase == Phase.COMPLETE:
            found.append(_event("TrainingComplete", new.message, str(len(new.stages))))
        if new.phase == Phase.FAILED:
            found.append(_event("TrainingFailed", new.message, str(new.observed_generation), warning=True))
    return tuple(found)


def _refused(status: Status) -> bool:
    return any(condition.type == "Accepted" and condition.status == "False" for condition in status.conditions)


def _stage(spec: Spec, number: int, old: StageStatus, new: StageStatus, stages: int) -> list[Event]:
    found: list[Event] = []
    settings = spec.stages[number - 1]
    if new.state != StageState.PENDING and old.state == StageState.PENDING:
        said = (
            f"stage {number}/{stages} {new.name}: context {settings.context_length}, theta {settings.rope_theta:g}, "
            f"{new.total_steps} steps of {count(settings.batch_tokens)} tokens"
        )
        found.append(_event("StageStarted", said, f"{number}"))
    known = {attempt.number: attempt for attempt in old.recent_attempts}
    for attempt in reversed(new.recent_attempts):
        found += _attempt(number, new, known.get(attempt.number), attempt)
    if new.state == StageState.COMPLETE and old.state != StageState.COMPLETE and new.final_checkpoint is not None:
        said = f"stage {number}/{stages} {new.name}: step {new.step}, loss {new.loss}, checkpoint {new.final_checkpoint.path}"
        found.append(_event("StageComplete", said, f"{number}"))
    return found


def _attempt(number: int, stage: StageStatus, old: Attempt | None, new: Attempt) -> list[Event]:
    found: list[Event] = []
    key = f"{number}/{new.number}"
    if old is None:
        found.append(_event("AttemptStarted", f"attempt {new.number} of stage {stage.name}", key))
    if new.committed_step > max(new.from_step, old.committed_step if old is not None else 0) and not (
        old is not None and old.committed_step > old.from_step
    ):
        said = f"attempt {new.number} of stage {stage.name} committed step {new.committed_step}, its first; later ones show in status"
        found.append(_event("CheckpointCommitted", said, key))
    if new.state == AttemptState.FAILED and new.root_cause is not None and (old is None or old.state != AttemptState.FAILED):
        cause = new.root_cause
        said = f"attempt {new.number} of stage {stage.name} ended at step {new.step}: {cause.reason}: {cause.message}"
        found.append(_event("AttemptFailed", said, key, warning=True))
    return found


def _event(reason: str, message: str, key: str, *, warning: bool = False) -> Event:
    return Event(reason=reason, message=message[:1000], key=f"{reason}/{key}", type="Warning" if warning else "Normal")
