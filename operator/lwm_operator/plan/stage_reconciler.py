"""The current stage, one step further: observe its attempt, then start the next attempt, wait, or stop."""

from dataclasses import dataclass, replace
from datetime import datetime

from lwm_operator.api.attempt_status import Attempt, AttemptState, FailureClass, RootCause
from lwm_operator.api.dataset_status import DatasetStatus
from lwm_operator.api.names import job_name
from lwm_operator.api.stage_status import GateState, StageState, StageStatus
from lwm_operator.api.status import NodeFault, Phase
from lwm_operator.plan import dataset_preparation
from lwm_operator.plan.actions import Action, CreateAttempt, CreatePreparation, RestoreAttempt
from lwm_operator.plan.attempt import queueing, template_change
from lwm_operator.plan.attempt.lifecycle import ENDED, RECHECK_SECONDS, describe_avoidance, observe_attempt
from lwm_operator.plan.attempt.termination import AttemptObservation
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.failure import retry_budgets
from lwm_operator.plan.failure.data_loss import is_data_loss, lost_dataset, prepare_again
from lwm_operator.plan.failure.divergence_rollback import roll_back_divergence
from lwm_operator.plan.failure.node_avoidance import (
    forget_faults,
    node_pools_to_avoid,
    nodes_to_avoid,
    oldest_avoided,
    record_node_fault,
)
from lwm_operator.plan.failure.retry_backoff import backoff_seconds
from lwm_operator.plan.formatting import count
from lwm_operator.plan.pending import pending_pods
from lwm_operator.plan.reasons import LifecycleReason, RunningReason, TrainerReason
from lwm_operator.plan.stage_handover import explain_unknown_start, start_of
from lwm_operator.plan.stage_image import pin_image
from lwm_operator.plan.stage_status import apply_report, begin_attempt, complete_stage, newest_attempt, replace_newest_attempt
from lwm_operator.plan.timestamps import elapsed, parse, stamp
from lwm_trainer.config import Phase as TrainerPhase
from lwm_trainer.config import Progress

STARTUP_TEXT = {
    TrainerPhase.RENDEZVOUS: "connecting to each other",
    TrainerPhase.LOADING_DATA: "loading data",
    TrainerPhase.RESTORING: "restoring the checkpoint",
    TrainerPhase.COMPILING: "compiling the step",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDecision:
    """What happens with the current stage: its entry, phase, reason, message and actions, and the seconds until the next reconcile.

    Node faults and data sets are those of the whole training.
    """

    entry: StageStatus
    phase: Phase
    reason: str
    message: str
    node_faults: tuple[NodeFault, ...]
    datasets: tuple[DatasetStatus, ...]
    actions: tuple[Action, ...] = ()
    wait_seconds: float | None = None


def reconcile_stage(ctx: PlanContext) -> StageDecision:
    """Bring the current stage one step further."""
    attempt = newest_attempt(ctx.entry)
    if attempt is None or attempt.state in ENDED:
        return _next_attempt(ctx)
    ctx = ctx.with_entry(apply_report(ctx.entry, ctx.report))
    observation = observe_attempt(ctx.entry.recent_attempts[0], ctx)
    attempt = _with_node_pool(observation.attempt, ctx)
    ctx = ctx.with_entry(replace_newest_attempt(ctx.entry, attempt))
    match attempt.state:
        case AttemptState.COMPLETE if observation.final is not None:
            ctx = ctx.with_entry(complete_stage(ctx.entry, observation.final, stamp(ctx.now), has_gate=ctx.stage.gate is not None))
            return _decide(ctx, Phase.RUNNING, LifecycleReason.STAGE_COMPLETE, "complete")
        case AttemptState.FAILED:
            return _next_attempt(_charge_failure(ctx, attempt))
        case AttemptState.CREATING:
            return _create_attempt(ctx, observation.wait_seconds)
        case AttemptState.STARTING:
            return _starting(ctx, observation)
        case AttemptState.RUNNING:
            reason = ctx.report.phase.value if ctx.report is not None else RunningReason.TRAINING
            return _decide(ctx, Phase.RUNNING, reason, _progress_text(ctx.entry) + _lost_nodes_text(ctx), wait=observation.wait_seconds)
        case AttemptState.SUSPENDING:
            live = sum(1 for pod in ctx.pods if pod.live)
            message = f"attempt {attempt.number} saves and exits, {live} of {ctx.hosts} pods are still there"
            return _decide(ctx, Phase.SUSPENDED, LifecycleReason.SUSPENDING, message, observation.actions, observation.wait_seconds)
        case AttemptState.STOPPING:
            cause = attempt.root_cause
            message = f"attempt {attempt.number} is ending: {_cause_text(cause)}"
            reason = cause.reason if cause is not None else TrainerReason.HOST_LOST
            return _decide(ctx, Phase.RECOVERING, reason, message, observation.actions, observation.wait_seconds)
        case _:
            return _next_attempt(ctx)


def _with_node_pool(attempt: Attempt, ctx: PlanContext) -> Attempt:
    """The attempt whose root cause names the node pool of its node, once it is known."""
    cause, before = attempt.root_cause, ctx.entry.recent_attempts[0].root_cause
    if cause is None or cause.node is None or not ctx.is_placed_by_node_pool:
        return attempt
    known = before.node_pool if before is not None and before.node == cause.node else None
    node_pool = ctx.observed.node_pools.get(cause.node, known)
    return attempt.model_copy(update={"root_cause": cause.model_copy(update={"node_pool": node_pool})})


def _decide(
    ctx: PlanContext, phase: Phase, reason: str, message: str, actions: tuple[Action, ...] = (), wait: float | None = None
) -> StageDecision:
    return replace(_decide_unlabelled(ctx, phase, reason, f"{ctx.stage_label}: {message}"), actions=actions, wait_seconds=wait)


def _decide_unlabelled(ctx: PlanContext, phase: Phase, reason: str, message: str) -> StageDecision:
    """A decision whose message does not begin with the stage."""
    return StageDecision(entry=ctx.entry, phase=phase, reason=reason, message=message, node_faults=ctx.node_faults, datasets=ctx.datasets)


def _starting(ctx: PlanContext, observation: AttemptObservation) -> StageDecision:
    """The pods of the attempt start, or something holds them up."""
    number, phase = ctx.entry.attempts, _phase_before_running(ctx.entry.attempts)
    if ctx.job is not None and queueing.is_queued(ctx.job, ctx.pods, ctx.report):
        reason, message, wait = queueing.explain_queueing(ctx.job)
        return _decide(ctx, phase, reason, f"attempt {number}: {message}", wait=wait)
    pending = pending_pods.explain_pending(ctx.job, ctx.pods, ctx.hosts)
    word, message = pending or _startup_progress(ctx.report, ctx.hosts)
    recheck = RECHECK_SECONDS if word in pending_pods.RECHECKED else None
    waits = [seconds for seconds in (recheck, observation.wait_seconds) if seconds is not None]
    message += describe_avoidance(observation.attempt)
    return _decide(ctx, phase, word, f"attempt {number}: {message}", wait=min(waits, default=None))


def _charge_failure(ctx: PlanContext, attempt: Attempt) -> PlanContext:
    """The context after an attempt has failed: its budget is charged, its node remembered, and the stage stopped if need be.

    A prepared data set that it did not find is prepared again. All of this happens once for each attempt.
    """
    cause = attempt.root_cause
    if cause is None:
        return ctx
    if (lost := lost_dataset(cause, ctx.prepared_datasets)) is not None:
        cause = cause.model_copy(update={"failure_class": FailureClass.INFRA})
        ctx = ctx.with_entry(replace_newest_attempt(ctx.entry, attempt.model_copy(update={"root_cause": cause})))
    node_faults = record_node_fault(ctx.node_faults, cause, ctx.now)
    if cause.reason == LifecycleReason.AVOIDED_NODES_NEEDED:
        node_faults = forget_faults(node_faults, oldest_avoided(ctx.node_faults, attempt.avoided))
    ctx = replace(ctx.with_entry(retry_budgets.charge(ctx.entry, cause)), node_faults=node_faults)
    if cause.failure_class == FailureClass.GATE:
        ctx = ctx.with_entry(ctx.entry.model_copy(update={"gate": GateState.FAILED}))
    stop = retry_budgets.stop_after_failure(ctx.entry, ctx.policy, ctx.stage.gate)
    if stop is not None:
        return ctx.with_entry(ctx.entry.model_copy(update={"state": stop[0]}))
    return ctx if lost is None else replace(ctx, datasets=prepare_again(ctx.datasets, lost, ctx.training.spec.resume))


def _next_attempt(ctx: PlanContext) -> StageDecision:
    """No attempt is active: start the next one, wait for its time, or stay stopped until a user acts."""
    spec, entry = ctx.training.spec, ctx.entry
    attempt = newest_attempt(entry)
    if entry.state in (StageState.PAUSED, StageState.FAILED):
        return _stay_stopped(ctx, attempt)
    if spec.suspend:
        return _decide(ctx, Phase.SUSPENDED, LifecycleReason.SUSPENDED, "nothing runs until spec.suspend is false")
    if ctx.spec_errors:
        return _refuse(ctx)
    if (unknown := explain_unknown_start(ctx.entries, ctx.index, ctx.training.run_root)) is not None:
        return _decide(ctx, Phase.PENDING, LifecycleReason.CHECKPOINT_UNKNOWN, unknown)
    if attempt is not None:
        delay = backoff_seconds(entry.recent_attempts, f"{ctx.training.metadata.uid}/{ctx.index}/{attempt.number}")
        remaining = delay - elapsed(attempt.finished_at, ctx.now)
        if remaining > 0 and attempt.finished_at is not None:
            start_at = stamp(datetime.fromtimestamp(parse(attempt.finished_at).timestamp() + delay, tz=ctx.now.tzinfo))
            message = f"attempt {attempt.number + 1} at {start_at}, after {_cause_text(attempt.root_cause)}"
            return _decide(ctx, Phase.RECOVERING, LifecycleReason.BACKING_OFF, message, wait=remaining)
    if (waiting := _wait_for_datasets(ctx)) is not None:
        return waiting
    entry = roll_back_divergence(entry, spec.checkpoint.save_interval_steps, ctx.policy.on_divergence)
    by_pool = ctx.is_placed_by_node_pool
    avoided_nodes = () if by_pool else nodes_to_avoid(ctx.node_faults, ctx.policy, ctx.now)
    avoided_pools = node_pools_to_avoid(ctx.node_faults, ctx.policy, ctx.now) if by_pool else ()
    placement = attempt.placement if attempt is not None else None
    return _create_attempt(
        ctx.with_entry(begin_attempt(entry, entry.attempts + 1, stamp(ctx.now), avoided_nodes, avoided_pools, placement))
    )


def _stay_stopped(ctx: PlanContext, attempt: Attempt | None) -> StageDecision:
    """The stage is Paused or Failed until spec.resume is raised."""
    cause = attempt.root_cause if attempt is not None else None
    stop = retry_budgets.stop_after_failure(ctx.entry, ctx.policy, ctx.stage.gate)
    explanation = stop[1] if stop is not None else "it stopped"
    message = f"attempt {ctx.entry.attempts} failed: {_cause_text(cause)}; {explanation}: {_resume_text(ctx)}"
    phase = Phase.PAUSED if ctx.entry.state == StageState.PAUSED else Phase.FAILED
    return _decide(ctx, phase, cause.reason if cause is not None else LifecycleReason.FAILED, message)


def _refuse(ctx: PlanContext) -> StageDecision:
    return _decide_unlabelled(ctx, Phase.PENDING, LifecycleReason.INVALID_SPEC, "; ".join(ctx.spec_errors))


def _create_attempt(ctx: PlanContext, wait_seconds: float | None = None) -> StageDecision:
    """The intent is recorded; the Job is created as soon as no pod of an earlier attempt is left."""
    entry, number = ctx.entry, ctx.entry.attempts
    phase = _phase_before_running(number)
    if ctx.spec_errors:
        return _refuse(ctx)
    if (waiting := _wait_for_datasets(ctx)) is not None:
        return waiting
    earlier = [pod for pod in ctx.observed.pods if (pod.stage, pod.attempt) != (ctx.stage_number, number)]
    if blocking := [pod for pod in earlier if ctx.observed.blocks_next_attempt(pod, ctx.now)]:
        names = ", ".join(pod.name for pod in blocking[:3])
        pods = "1 pod" if len(blocking) == 1 else f"{len(blocking)} pods"
        message = f"attempt {number} is waiting for {pods} of an earlier attempt to terminate: {names}"
        return _decide(ctx, phase, LifecycleReason.WAITING_FOR_PODS, message, wait=RECHECK_SECONDS)
    ctx = ctx.with_entry(pin_image(entry, ctx.training.spec, ctx.observed.trainer_image))
    if (failure := _attempt_creation_failure(ctx)) is not None:
        decision = _decide_unlabelled(ctx, phase, LifecycleReason.CREATE_FAILED, failure)
    else:
        decision = _decide(ctx, phase, LifecycleReason.CREATING, f"attempt {number} is being created")
    return replace(decision, actions=(_creation(ctx),), wait_seconds=wait_seconds)


def _creation(ctx: PlanContext) -> CreateAttempt:
    """The action that creates the newest attempt of the current stage."""
    attempt = ctx.entry.recent_attempts[0]
    return CreateAttempt(
        stage=ctx.stage_number,
        attempt=attempt.number,
        start=start_of(ctx.training.spec, ctx.entries, ctx.index, attempt.number),
        template=template_change.template_hash(ctx.training.spec),
        image=ctx.entry.image or "",
        avoided_nodes=attempt.avoided_nodes,
        avoided_node_pools=attempt.avoided_node_pools,
        prepared=dataset_preparation.prepared_places(ctx.prepared_datasets),
    )


def restore_attempt(ctx: PlanContext) -> tuple[RestoreAttempt, ...]:
    """Create the objects again that somebody deleted of the attempt that starts or runs. An attempt that is created gets them anyway."""
    attempt = newest_attempt(ctx.entry)
    if attempt is None or attempt.state not in (AttemptState.STARTING, AttemptState.RUNNING) or ctx.spec_errors:
        return ()
    name = job_name(ctx.training.metadata.name, ctx.stage_number, attempt.number)
    return (RestoreAttempt(creation=_creation(ctx)),) if name in ctx.observed.incomplete else ()


def _attempt_creation_failure(ctx: PlanContext) -> str | None:
    """Why the attempt could not be created: in this pass, or in an earlier one as the status still says. None: nothing failed."""
    attempt = (ctx.stage_number, ctx.entry.attempts)
    for failure in ctx.observed.failed_actions:
        if isinstance(failure.action, CreateAttempt) and (failure.action.stage, failure.action.attempt) == attempt:
            return failure.message
    status = ctx.training.status
    if status.reason == LifecycleReason.CREATE_FAILED and (status.current_stage, status.attempt) == attempt:
        return status.message
    return None


def _wait_for_datasets(ctx: PlanContext) -> StageDecision | None:
    """The decision while data sets of the stage are not ready; None when they are."""
    explanation = dataset_preparation.explain_unprepared(ctx.prepared_datasets)
    if explanation is None:
        return None
    reason, message = explanation
    if dataset_preparation.has_failed(ctx.prepared_datasets):
        return _decide(ctx, Phase.FAILED, reason, f"{message}: {_resume_text(ctx)}")
    phase, attempt = Phase.STARTING, newest_attempt(ctx.entry)
    if attempt is not None and is_data_loss(attempt.root_cause):
        phase, message = Phase.RECOVERING, f"{message}; prepared again after attempt {attempt.number}: {_cause_text(attempt.root_cause)}"
    if (failure := _preparation_creation_failure(ctx, reason)) is not None:
        return _decide_unlabelled(ctx, phase, LifecycleReason.CREATE_FAILED, failure)
    return _decide(ctx, phase, reason, message, wait=RECHECK_SECONDS if reason in pending_pods.RECHECKED else None)


def _preparation_creation_failure(ctx: PlanContext, reason: str) -> str | None:
    """Why a preparation that the stage waits for could not be created, now or in an earlier pass; None: nothing failed."""
    status = ctx.training.status
    failed_before = status.reason == LifecycleReason.CREATE_FAILED
    if not dataset_preparation.lacks_job(ctx.prepared_datasets, ctx.observed):
        return None
    for failure in ctx.observed.failed_actions:
        if isinstance(failure.action, CreatePreparation):
            name = ctx.training.spec.datasets[failure.action.number - 1].name
            if any(entry.name == name for entry in ctx.prepared_datasets) and (failed_before or reason == RunningReason.PREPARING):
                return failure.message
    return status.message if failed_before else None


def _phase_before_running(attempt: int) -> Phase:
    return Phase.RECOVERING if attempt > 1 else Phase.STARTING


def _resume_text(ctx: PlanContext) -> str:
    return f"fix it, then set spec.resume to {max(ctx.training.spec.resume, ctx.training.status.observed_resume) + 1}"


def _cause_text(cause: RootCause | None) -> str:
    return "an unknown cause" if cause is None else f"{cause.reason}: {cause.message}"


def _startup_progress(report: Progress | None, hosts: int) -> tuple[str, str]:
    """Reason and message while all hosts run and no step is done yet."""
    if report is None:
        return RunningReason.RENDEZVOUS, f"{hosts} of {hosts} hosts run, connecting to each other"
    from_step = f" from step {report.resumed_from}" if report.resumed_from else ""
    return report.phase.value, f"{hosts} of {hosts} hosts run, {STARTUP_TEXT.get(report.phase, report.phase.value)}{from_step}"


def _lost_nodes_text(ctx: PlanContext) -> str:
    """Names nodes that are not ready while their pods still train: such a pod is evicted unless its node returns."""
    lost = sorted({pod.node for pod in ctx.pods if pod.live and pod.node in ctx.observed.lost_nodes and pod.node is not None})
    return f"; node {', '.join(lost)} is not ready" if lost else ""


def _progress_text(entry: StageStatus) -> str:
    parts = [f"step {entry.step}/{entry.total_steps}"]
    if entry.loss is not None:
        parts.append(f"loss {entry.loss}")
    if entry.validation_loss is not None:
        parts.append(f"validation loss {entry.validation_loss}")
    if entry.tokens_per_second is not None:
        parts.append(f"{count(float(entry.tokens_per_second))} tokens/s")
    return ", ".join(parts)
