"""The current stage brought one step further: look at its attempt, start the next one, wait, or give up."""

from dataclasses import dataclass, replace
from datetime import datetime

from lwm_operator.api.status import Attempt, AttemptState, NodeFault, Phase, RootCause, StageState, StageStatus
from lwm_operator.plan import dataset_preparation
from lwm_operator.plan.actions import Action, CreateAttempt
from lwm_operator.plan.attempt import queueing, template_change
from lwm_operator.plan.attempt.lifecycle import ENDED, LOOK_AGAIN_SECONDS, look
from lwm_operator.plan.attempt.termination import NO_ROOM, AttemptObservation
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.failure import retry_budgets
from lwm_operator.plan.failure.divergence_rollback import rolled_back
from lwm_operator.plan.failure.node_avoidance import avoided, with_fault
from lwm_operator.plan.failure.retry_backoff import delay
from lwm_operator.plan.formatting import count
from lwm_operator.plan.pending import pending_pods
from lwm_operator.plan.stage_status import begun, completed, newest, noted, reported, start_of
from lwm_operator.plan.timestamps import elapsed, parse, stamp
from lwm_trainer.config import Phase as Step
from lwm_trainer.config import Progress

CREATE_FAILED = "CreateFailed"
"""Written by the reconcile that could not carry a creation out; it stays until one succeeds."""

STARTING = {
    Step.RENDEZVOUS: "meeting each other",
    Step.LOADING_DATA: "loading data",
    Step.RESTORING: "restoring the checkpoint",
    Step.COMPILING: "compiling the step",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDecision:
    """What the current stage came to: its entry, phase, reason and message, actions, and seconds until the next look."""

    entry: StageStatus
    phase: Phase
    reason: str
    message: str
    faults: tuple[NodeFault, ...]
    actions: tuple[Action, ...] = ()
    wait_seconds: float | None = None


def take(here: PlanContext) -> StageDecision:
    """Bring the current stage one step further."""
    attempt = newest(here.entry)
    if attempt is None or attempt.state in ENDED:
        return _next(here)
    looked = look(attempt, here)
    here = here.at(reported(noted(here.entry, looked.attempt), looked.attempt, here.report))
    match looked.attempt.state:
        case AttemptState.COMPLETE if looked.final is not None:
            return _turn(here.at(completed(here.entry, looked.final, stamp(here.now))), Phase.RUNNING, "StageComplete", "complete")
        case AttemptState.FAILED:
            return _next(_settled(here, looked.attempt))
        case AttemptState.CREATING:
            return _create(here)
        case AttemptState.STARTING:
            return _starting(here, looked)
        case AttemptState.RUNNING:
            reason = here.report.phase.value if here.report is not None else Step.TRAINING.value
            return _turn(here, Phase.RUNNING, reason, _pace(here.entry) + _aside(here), wait=looked.wait_seconds)
        case AttemptState.SUSPENDING:
            live = sum(1 for pod in here.pods if pod.live)
            said = f"attempt {looked.attempt.number} saves and leaves, {live} of {here.hosts} pods are still there"
            return _turn(here, Phase.SUSPENDED, "Suspending", said, looked.actions, looked.wait_seconds)
        case AttemptState.STOPPING:
            cause = looked.attempt.root_cause
            said = f"attempt {looked.attempt.number} is ending: {_because(cause)}"
            return _turn(here, Phase.RECOVERING, cause.reason if cause else "HostLost", said, looked.actions, looked.wait_seconds)
        case _:
            return _next(here)


def _turn(
    here: PlanContext, phase: Phase, reason: str, message: str, actions: tuple[Action, ...] = (), wait: float | None = None
) -> StageDecision:
    message = f"{here.label}: {message}"
    return StageDecision(
        entry=here.entry, phase=phase, reason=reason, message=message, faults=here.faults, actions=actions, wait_seconds=wait
    )


def _starting(here: PlanContext, looked: AttemptObservation) -> StageDecision:
    """Its pods come up, or the reason why they do not."""
    if here.job is not None and queueing.waits(here.job, here.pods, here.report):
        reason, said, soon = queueing.why(here.job)
        return _turn(here, _phase(here.entry.attempts), reason, f"attempt {here.entry.attempts}: {said}", wait=soon)
    held = pending_pods.why(here.job, here.pods, here.hosts)
    reason, said = held or _preparing(here.report, here.hosts)
    again = LOOK_AGAIN_SECONDS if reason in pending_pods.LOOK_AGAIN else None
    wait = min((seconds for seconds in (again, looked.wait_seconds) if seconds is not None), default=None)
    return _turn(here, _phase(here.entry.attempts), reason, f"attempt {here.entry.attempts}: {said}", wait=wait)


def _settled(here: PlanContext, attempt: Attempt) -> PlanContext:
    """An attempt has just failed: charge it, remember its node, and decide whether another one follows. Done once for each attempt."""
    cause = attempt.root_cause
    if cause is None:
        return here
    faults = () if cause.reason == NO_ROOM else with_fault(here.faults, cause, here.now)
    here = replace(here.at(retry_budgets.charge(here.entry, cause)), faults=faults)
    stop = retry_budgets.verdict(here.entry, here.policy)
    return here if stop is None else here.at(here.entry.model_copy(update={"state": stop[0]}))


def _next(here: PlanContext) -> StageDecision:
    """No attempt is on: start one, wait, or stay where a human is needed."""
    spec, entry = here.training.spec, here.entry
    attempt = newest(entry)
    if entry.state in (StageState.PAUSED, StageState.FAILED):
        return _stopped(here, attempt)
    if spec.suspend:
        return _turn(here, Phase.SUSPENDED, "Suspended", "nothing runs until spec.suspend is false")
    if here.refused:
        return StageDecision(entry=entry, phase=Phase.PENDING, reason="Refused", message="; ".join(here.refused), faults=here.faults)
    if attempt is not None:
        seconds = delay(entry.recent_attempts, f"{here.training.metadata.uid}/{here.index}/{attempt.number}")
        left = seconds - elapsed(attempt.finished_at, here.now)
        if left > 0 and attempt.finished_at is not None:
            when = stamp(datetime.fromtimestamp(parse(attempt.finished_at).timestamp() + seconds, tz=here.now.tzinfo))
            said = f"attempt {attempt.number + 1} at {when}, after {_because(attempt.root_cause)}"
            return _turn(here, Phase.RECOVERING, "BackingOff", said, wait=left)
    if (unready := _unready(here)) is not None:
        return unready
    entry = rolled_back(entry, spec.checkpoint.every_steps, here.policy.on_divergence)
    away = avoided(here.faults, here.policy, here.now)
    return _create(here.at(begun(entry, entry.attempts + 1, stamp(here.now), away)))


def _stopped(here: PlanContext, attempt: Attempt | None) -> StageDecision:
    """Paused or Failed, until spec.resume is raised."""
    cause = attempt.root_cause if attempt is not None else None
    stop = retry_budgets.verdict(here.entry, here.policy)
    why = stop[1] if stop is not None else "it stopped"
    said = (
        f"attempt {here.entry.attempts} failed: {_because(cause)}; {why}: mend it, then set spec.resume to {here.training.spec.resume + 1}"
    )
    phase = Phase.PAUSED if here.entry.state == StageState.PAUSED else Phase.FAILED
    return _turn(here, phase, cause.reason if cause is not None else "Failed", said)


def _create(here: PlanContext) -> StageDecision:
    """The intent stands; the Job comes as soon as no pod of an earlier attempt is left."""
    entry = here.entry
    number = entry.attempts
    if here.refused:
        return StageDecision(entry=entry, phase=Phase.PENDING, reason="Refused", message="; ".join(here.refused), faults=here.faults)
    if (unready := _unready(here)) is not None:
        return unready
    earlier = [pod for pod in here.observed.pods if (pod.stage, pod.attempt) != (here.number, number)]
    if left := [pod for pod in earlier if here.observed.holds_on(pod, here.now)]:
        names = ", ".join(pod.name for pod in left[:3])
        said = f"attempt {number} waits until {len(left)} pods of an earlier one are gone: {names}"
        return _turn(here, _phase(number), "WaitingForPods", said, wait=LOOK_AGAIN_SECONDS)
    old = here.training.status
    if old.reason == CREATE_FAILED and (old.current_stage, old.attempt) == (here.number, number):
        turn = StageDecision(entry=entry, phase=_phase(number), reason=CREATE_FAILED, message=old.message, faults=here.faults)
    else:
        turn = _turn(here, _phase(number), "Creating", f"attempt {number} is being created")
    action = CreateAttempt(
        stage=here.number,
        attempt=number,
        start=start_of(here.entries, here.index, number),
        template=template_change.digest(here.training.spec),
        avoided_nodes=entry.recent_attempts[0].avoided_nodes,
        prepared=dataset_preparation.places(here.drawn_on),
    )
    return replace(turn, actions=(action,))


def _unready(here: PlanContext) -> StageDecision | None:
    """The stage draws on data sets that are not ready; None: they are."""
    why = dataset_preparation.unready(here.drawn_on)
    if why is None:
        return None
    reason, said = why
    if dataset_preparation.failed(here.drawn_on):
        return _turn(here, Phase.FAILED, reason, f"{said}: mend it, then set spec.resume to {here.training.spec.resume + 1}")
    if here.training.status.reason == CREATE_FAILED and dataset_preparation.missing(here.drawn_on, here.observed):
        return StageDecision(
            entry=here.entry, phase=Phase.STARTING, reason=CREATE_FAILED, message=here.training.status.message, faults=here.faults
        )
    return _turn(here, Phase.STARTING, reason, said, wait=LOOK_AGAIN_SECONDS if reason in pending_pods.LOOK_AGAIN else None)


def _phase(attempt: int) -> Phase:
    return Phase.RECOVERING if attempt > 1 else Phase.STARTING


def _because(cause: RootCause | None) -> str:
    return "an unknown cause" if cause is None else f"{cause.reason}: {cause.message}"


def _preparing(report: Progress | None, hosts: int) -> tuple[str, str]:
    """All hosts run, no step is done yet."""
    if report is None:
        return "Rendezvous", f"{hosts} of {hosts} hosts run and look for each other"
    from_step = f" from step {report.resumed_from}" if report.resumed_from else ""
    return report.phase.value, f"{hosts} of {hosts} hosts run, {STARTING.get(report.phase, report.phase.value)}{from_step}"


def _aside(here: PlanContext) -> str:
    """A node whose management is away while its pod trains on: the pod will be taken from it, unless it comes back."""
    away = sorted({pod.node for pod in here.pods if pod.live and pod.node in here.observed.lost_nodes and pod.node is not None})
    return f"; node {', '.join(away)} is not ready" if away else ""


def _pace(entry: StageStatus) -> str:
    parts = [f"step {entry.step}/{entry.total_steps}"]
    if entry.loss is not None:
        parts.append(f"loss {entry.loss}")
    if entry.tokens_per_second is not None:
        parts.append(f"{count(float(entry.tokens_per_second))} tokens/s")
    return ", ".join(parts)
