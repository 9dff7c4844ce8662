"""The current stage brought one step further: look at its attempt, start the next one, wait, or give up."""

from dataclasses import dataclass, replace
from datetime import datetime

from lwm_operator.api.status import Attempt, AttemptState, NodeFault, Phase, RootCause, StageState, StageStatus
from lwm_operator.plan import dataset_preparation
from lwm_operator.plan.actions import Action, CreateAttempt
from lwm_operator.plan.attempt import queueing, template_change
from lwm_operator.plan.attempt.lifecycle import ENDED, RECHECK_SECONDS, observe_attempt
from lwm_operator.plan.attempt.termination import NO_ROOM, AttemptObservation
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.failure import retry_budgets
from lwm_operator.plan.failure.divergence_rollback import roll_back_divergence
from lwm_operator.plan.failure.node_avoidance import nodes_to_avoid, record_node_fault
from lwm_operator.plan.failure.retry_backoff import backoff_seconds
from lwm_operator.plan.formatting import count
from lwm_operator.plan.pending import pending_pods
from lwm_operator.plan.stage_status import apply_report, begin_attempt, complete_stage, newest_attempt, replace_newest_attempt, start_of
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
    node_faults: tuple[NodeFault, ...]
    actions: tuple[Action, ...] = ()
    wait_seconds: float | None = None


def reconcile_stage(ctx: PlanContext) -> StageDecision:
    """Bring the current stage one step further."""
    attempt = newest_attempt(ctx.entry)
    if attempt is None or attempt.state in ENDED:
        return _decide_next_attempt(ctx)
    observation = observe_attempt(attempt, ctx)
    ctx = ctx.with_entry(apply_report(replace_newest_attempt(ctx.entry, observation.attempt), observation.attempt, ctx.report))
    match observation.attempt.state:
        case AttemptState.COMPLETE if observation.final is not None:
            return _decide(
                ctx.with_entry(complete_stage(ctx.entry, observation.final, stamp(ctx.now))), Phase.RUNNING, "StageComplete", "complete"
            )
        case AttemptState.FAILED:
            return _decide_next_attempt(_settle_failure(ctx, observation.attempt))
        case AttemptState.CREATING:
            return _decide_creation(ctx)
        case AttemptState.STARTING:
            return _decide_starting(ctx, observation)
        case AttemptState.RUNNING:
            reason = ctx.report.phase.value if ctx.report is not None else Step.TRAINING.value
            return _decide(ctx, Phase.RUNNING, reason, _progress_text(ctx.entry) + _lost_nodes_text(ctx), wait=observation.wait_seconds)
        case AttemptState.SUSPENDING:
            live = sum(1 for pod in ctx.pods if pod.live)
            said = f"attempt {observation.attempt.number} saves and leaves, {live} of {ctx.hosts} pods are still there"
            return _decide(ctx, Phase.SUSPENDED, "Suspending", said, observation.actions, observation.wait_seconds)
        case AttemptState.STOPPING:
            cause = observation.attempt.root_cause
            said = f"attempt {observation.attempt.number} is ending: {_cause_text(cause)}"
            return _decide(
                ctx, Phase.RECOVERING, cause.reason if cause else "HostLost", said, observation.actions, observation.wait_seconds
            )
        case _:
            return _decide_next_attempt(ctx)


def _decide(
    ctx: PlanContext, phase: Phase, reason: str, message: str, actions: tuple[Action, ...] = (), wait: float | None = None
) -> StageDecision:
    message = f"{ctx.stage_label}: {message}"
    return StageDecision(
        entry=ctx.entry, phase=phase, reason=reason, message=message, node_faults=ctx.node_faults, actions=actions, wait_seconds=wait
    )


def _decide_starting(ctx: PlanContext, observation: AttemptObservation) -> StageDecision:
    """Its pods come up, or the reason why they do not."""
    if ctx.job is not None and queueing.is_queued(ctx.job, ctx.pods, ctx.report):
        reason, said, soon = queueing.explain_queueing(ctx.job)
        return _decide(ctx, _phase_before_running(ctx.entry.attempts), reason, f"attempt {ctx.entry.attempts}: {said}", wait=soon)
    held = pending_pods.explain_pending(ctx.job, ctx.pods, ctx.hosts)
    reason, said = held or _startup_text(ctx.report, ctx.hosts)
    again = RECHECK_SECONDS if reason in pending_pods.RECHECKED else None
    wait = min((seconds for seconds in (again, observation.wait_seconds) if seconds is not None), default=None)
    return _decide(ctx, _phase_before_running(ctx.entry.attempts), reason, f"attempt {ctx.entry.attempts}: {said}", wait=wait)


def _settle_failure(ctx: PlanContext, attempt: Attempt) -> PlanContext:
    """An attempt has just failed: charge it, remember its node, and decide whether another one follows. Done once for each attempt."""
    cause = attempt.root_cause
    if cause is None:
        return ctx
    faults = () if cause.reason == NO_ROOM else record_node_fault(ctx.node_faults, cause, ctx.now)
    ctx = replace(ctx.with_entry(retry_budgets.charge(ctx.entry, cause)), node_faults=faults)
    stop = retry_budgets.stop_after_failure(ctx.entry, ctx.policy)
    return ctx if stop is None else ctx.with_entry(ctx.entry.model_copy(update={"state": stop[0]}))


def _decide_next_attempt(ctx: PlanContext) -> StageDecision:
    """No attempt is on: start one, wait, or stay where a human is needed."""
    spec, entry = ctx.training.spec, ctx.entry
    attempt = newest_attempt(entry)
    if entry.state in (StageState.PAUSED, StageState.FAILED):
        return _decide_stopped(ctx, attempt)
    if spec.suspend:
        return _decide(ctx, Phase.SUSPENDED, "Suspended", "nothing runs until spec.suspend is false")
    if ctx.spec_errors:
        return StageDecision(
            entry=entry, phase=Phase.PENDING, reason="Refused", message="; ".join(ctx.spec_errors), node_faults=ctx.node_faults
        )
    if attempt is not None:
        seconds = backoff_seconds(entry.recent_attempts, f"{ctx.training.metadata.uid}/{ctx.index}/{attempt.number}")
        left = seconds - elapsed(attempt.finished_at, ctx.now)
        if left > 0 and attempt.finished_at is not None:
            when = stamp(datetime.fromtimestamp(parse(attempt.finished_at).timestamp() + seconds, tz=ctx.now.tzinfo))
            said = f"attempt {attempt.number + 1} at {when}, after {_cause_text(attempt.root_cause)}"
            return _decide(ctx, Phase.RECOVERING, "BackingOff", said, wait=left)
    if (unready := _decide_unprepared(ctx)) is not None:
        return unready
    entry = roll_back_divergence(entry, spec.checkpoint.save_interval_steps, ctx.policy.on_divergence)
    away = nodes_to_avoid(ctx.node_faults, ctx.policy, ctx.now)
    return _decide_creation(ctx.with_entry(begin_attempt(entry, entry.attempts + 1, stamp(ctx.now), away)))


def _decide_stopped(ctx: PlanContext, attempt: Attempt | None) -> StageDecision:
    """Paused or Failed, until spec.resume is raised."""
    cause = attempt.root_cause if attempt is not None else None
    stop = retry_budgets.stop_after_failure(ctx.entry, ctx.policy)
    why = stop[1] if stop is not None else "it stopped"
    said = (
        f"attempt {ctx.entry.attempts} failed: {_cause_text(cause)}; {why}: mend it, then set spec.resume to {ctx.training.spec.resume + 1}"
    )
    phase = Phase.PAUSED if ctx.entry.state == StageState.PAUSED else Phase.FAILED
    return _decide(ctx, phase, cause.reason if cause is not None else "Failed", said)


def _decide_creation(ctx: PlanContext) -> StageDecision:
    """The intent stands; the Job comes as soon as no pod of an earlier attempt is left."""
    entry = ctx.entry
    number = entry.attempts
    if ctx.spec_errors:
        return StageDecision(
            entry=entry, phase=Phase.PENDING, reason="Refused", message="; ".join(ctx.spec_errors), node_faults=ctx.node_faults
        )
    if (unready := _decide_unprepared(ctx)) is not None:
        return unready
    earlier = [pod for pod in ctx.observed.pods if (pod.stage, pod.attempt) != (ctx.stage_number, number)]
    if left := [pod for pod in earlier if ctx.observed.blocks_next_attempt(pod, ctx.now)]:
        names = ", ".join(pod.name for pod in left[:3])
        said = f"attempt {number} waits until {len(left)} pods of an earlier one are gone: {names}"
        return _decide(ctx, _phase_before_running(number), "WaitingForPods", said, wait=RECHECK_SECONDS)
    old = ctx.training.status
    if old.reason == CREATE_FAILED and (old.current_stage, old.attempt) == (ctx.stage_number, number):
        decision = StageDecision(
            entry=entry, phase=_phase_before_running(number), reason=CREATE_FAILED, message=old.message, node_faults=ctx.node_faults
        )
    else:
        decision = _decide(ctx, _phase_before_running(number), "Creating", f"attempt {number} is being created")
    action = CreateAttempt(
        stage=ctx.stage_number,
        attempt=number,
        start=start_of(ctx.entries, ctx.index, number),
        template=template_change.template_hash(ctx.training.spec),
        avoided_nodes=entry.recent_attempts[0].avoided_nodes,
        prepared=dataset_preparation.prepared_places(ctx.prepared_datasets),
    )
    return replace(decision, actions=(action,))


def _decide_unprepared(ctx: PlanContext) -> StageDecision | None:
    """The stage draws on data sets that are not ready; None: they are."""
    why = dataset_preparation.explain_unprepared(ctx.prepared_datasets)
    if why is None:
        return None
    reason, said = why
    if dataset_preparation.has_failed(ctx.prepared_datasets):
        return _decide(ctx, Phase.FAILED, reason, f"{said}: mend it, then set spec.resume to {ctx.training.spec.resume + 1}")
    if ctx.training.status.reason == CREATE_FAILED and dataset_preparation.lacks_job(ctx.prepared_datasets, ctx.observed):
        return StageDecision(
            entry=ctx.entry, phase=Phase.STARTING, reason=CREATE_FAILED, message=ctx.training.status.message, node_faults=ctx.node_faults
        )
    return _decide(ctx, Phase.STARTING, reason, said, wait=RECHECK_SECONDS if reason in pending_pods.RECHECKED else None)


def _phase_before_running(attempt: int) -> Phase:
    return Phase.RECOVERING if attempt > 1 else Phase.STARTING


def _cause_text(cause: RootCause | None) -> str:
    return "an unknown cause" if cause is None else f"{cause.reason}: {cause.message}"


def _startup_text(report: Progress | None, hosts: int) -> tuple[str, str]:
    """All hosts run, no step is done yet."""
    if report is None:
        return "Rendezvous", f"{hosts} of {hosts} hosts run and look for each other"
    from_step = f" from step {report.resumed_from}" if report.resumed_from else ""
    return report.phase.value, f"{hosts} of {hosts} hosts run, {STARTING.get(report.phase, report.phase.value)}{from_step}"


def _lost_nodes_text(ctx: PlanContext) -> str:
    """A node whose management is away while its pod trains on: the pod will be taken from it, unless it comes back."""
    away = sorted({pod.node for pod in ctx.pods if pod.live and pod.node in ctx.observed.lost_nodes and pod.node is not None})
    return f"; node {', '.join(away)} is not ready" if away else ""


def _progress_text(entry: StageStatus) -> str:
    parts = [f"step {entry.step}/{entry.total_steps}"]
    if entry.loss is not None:
        parts.append(f"loss {entry.loss}")
    if entry.tokens_per_second is not None:
        parts.append(f"{count(float(entry.tokens_per_second))} tokens/s")
    return ", ".join(parts)
