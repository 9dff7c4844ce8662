"""The current stage brought one step further: look at its attempt, start the next one, wait, or give up."""

from dataclasses import dataclass
from datetime import datetime

from lwm_operator.api.status import AttemptState, Phase, RootCause, StageState, StageStatus
from lwm_operator.api.training import Training
from lwm_operator.plan.attempts import LOOK_AGAIN_SECONDS, look
from lwm_operator.plan.backoff import delay
from lwm_operator.plan.cause import permanent
from lwm_operator.plan.moments import parse, seconds_since, stamp
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.result import Action, CreateAttempt
from lwm_operator.plan.stages import begun, completed, newest, noted, reported, start_of
from lwm_operator.plan.waiting import why
from lwm_operator.plan.words import count
from lwm_trainer.config import Phase as Step
from lwm_trainer.config import Progress

PREPARING = {
    Step.RENDEZVOUS: "meeting each other",
    Step.LOADING_DATA: "loading data",
    Step.RESTORING: "restoring the checkpoint",
    Step.COMPILING: "compiling the step",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the current stage came to: its entry, phase, reason and message, actions, and seconds until the next look."""

    entry: StageStatus
    phase: Phase
    reason: str
    message: str
    actions: tuple[Action, ...] = ()
    wait_seconds: float | None = None


def take(
    training: Training, entries: tuple[StageStatus, ...], index: int, observed: Observed, now: datetime, *, refused: tuple[str, ...]
) -> Turn:
    """Bring the current stage one step further."""
    entry, hosts = entries[index], hosts_of(training)
    attempt = newest(entry)
    label = f"stage {index + 1}/{len(entries)} {entry.name}"
    if attempt is None:
        return _next(training, entries, index, observed, now, refused=refused)
    looked = look(attempt, index + 1, hosts, entry.total_steps, observed, now)
    report = observed.reports.get((index + 1, attempt.number))
    entry = reported(noted(entry, looked.attempt), looked.attempt, report)
    entries = (*entries[:index], entry, *entries[index + 1 :])
    recovering = attempt.number > 1
    match looked.attempt.state:
        case AttemptState.COMPLETE if looked.final is not None:
            entry = completed(entry, looked.final, stamp(now))
            return Turn(entry=entry, phase=Phase.RUNNING, reason="StageComplete", message=f"{label}: complete")
        case AttemptState.CREATING:
            return _create(entries, index, observed, refused=refused)
        case AttemptState.STARTING:
            held = why(observed.job(index + 1, attempt.number), observed.pods_of(index + 1, attempt.number), hosts)
            reason, said = held or _preparing(report, hosts)
            phase = Phase.RECOVERING if recovering else Phase.STARTING
            return Turn(
                entry=entry,
                phase=phase,
                reason=reason,
                message=f"{label}: attempt {attempt.number}: {said}",
                wait_seconds=LOOK_AGAIN_SECONDS if reason == "PodsMissing" else None,
            )
        case AttemptState.RUNNING:
            reason = report.phase.value if report is not None else "Training"
            return Turn(entry=entry, phase=Phase.RUNNING, reason=reason, message=f"{label}: {_pace(entry)}")
        case AttemptState.STOPPING:
            said = f"{label}: attempt {attempt.number} is ending: {_because(looked.attempt.root_cause)}"
            return Turn(
                entry=entry,
                phase=Phase.RECOVERING,
                reason=looked.attempt.root_cause.reason if looked.attempt.root_cause else "HostLost",
                message=said,
                actions=looked.actions,
                wait_seconds=looked.wait_seconds,
            )
        case _:
            return _next(training, entries, index, observed, now, refused=refused)


def _next(
    training: Training, entries: tuple[StageStatus, ...], index: int, observed: Observed, now: datetime, *, refused: tuple[str, ...]
) -> Turn:
    """No attempt is on: start one, wait, or give up."""
    entry = entries[index]
    attempt = newest(entry)
    label = f"stage {index + 1}/{len(entries)} {entry.name}"
    if attempt is not None and permanent(attempt.root_cause):
        edited = entry.state == StageState.FAILED and training.metadata.generation > training.status.observed_generation
        if not edited:
            said = f"{label}: attempt {attempt.number} failed for good: {_because(attempt.root_cause)}; edit the spec to try again"
            reason = attempt.root_cause.reason if attempt.root_cause else "Failed"
            return Turn(entry=entry.model_copy(update={"state": StageState.FAILED}), phase=Phase.FAILED, reason=reason, message=said)
    if refused:
        return Turn(entry=entry, phase=Phase.PENDING, reason="Refused", message="; ".join(refused))
    if attempt is not None:
        seconds = delay(entry.recent_attempts, f"{training.metadata.uid}/{index}/{attempt.number}")
        left = seconds - seconds_since(attempt.finished_at, now)
        if left > 0 and attempt.finished_at is not None:
            when = stamp(datetime.fromtimestamp(parse(attempt.finished_at).timestamp() + seconds, tz=now.tzinfo))
            said = f"{label}: attempt {attempt.number + 1} at {when}, after {_because(attempt.root_cause)}"
            return Turn(entry=entry, phase=Phase.RECOVERING, reason="BackingOff", message=said, wait_seconds=left)
    entry = begun(entry, entry.attempts + 1, stamp(now))
    return _create((*entries[:index], entry, *entries[index + 1 :]), index, observed, refused=refused)


def _create(entries: tuple[StageStatus, ...], index: int, observed: Observed, *, refused: tuple[str, ...]) -> Turn:
    """The intent stands; the Job comes as soon as no pod of an earlier attempt is left."""
    entry = entries[index]
    number = entry.attempts
    label = f"stage {index + 1}/{len(entries)} {entry.name}"
    phase = Phase.RECOVERING if number > 1 else Phase.STARTING
    if refused:
        return Turn(entry=entry, phase=Phase.PENDING, reason="Refused", message="; ".join(refused))
    if left := [pod for pod in observed.pods if observed.holds_on(pod)]:
        said = (
            f"{label}: attempt {number} waits until {len(left)} pods of an earlier one are gone: {', '.join(pod.name for pod in left[:3])}"
        )
        return Turn(entry=entry, phase=phase, reason="WaitingForPods", message=said, wait_seconds=LOOK_AGAIN_SECONDS)
    action = CreateAttempt(stage=index + 1, attempt=number, start=start_of(entries, index, number))
    return Turn(entry=entry, phase=phase, reason="Creating", message=f"{label}: attempt {number} is being created", actions=(action,))


def hosts_of(training: Training) -> int:
    cpu = training.spec.accelerator.cpu
    return cpu.hosts if cpu is not None else 0


def _because(cause: RootCause | None) -> str:
    return "an unknown cause" if cause is None else f"{cause.reason}: {cause.message}"


def _preparing(report: Progress | None, hosts: int) -> tuple[str, str]:
    """All hosts run, no step is done yet."""
    if report is None:
        return "Rendezvous", f"{hosts} of {hosts} hosts run and look for each other"
    from_step = f" from step {report.resumed_from}" if report.resumed_from else ""
    return report.phase.value, f"{hosts} of {hosts} hosts run, {PREPARING.get(report.phase, report.phase.value)}{from_step}"


def _pace(entry: StageStatus) -> str:
    parts = [f"step {entry.step}/{entry.total_steps}"]
    if entry.loss is not None:
        parts.append(f"loss {entry.loss}")
    if entry.tokens_per_second is not None:
        parts.append(f"{count(float(entry.tokens_per_second))} tokens/s")
    return ", ".join(parts)
