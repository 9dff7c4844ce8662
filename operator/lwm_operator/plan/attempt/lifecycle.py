"""The life of one attempt: Creating (the intent), Starting, Running, then Complete, or Stopping and Failed, or Suspending and Suspended.

Failures are detected from the pods, because the conditions of a Job may come two minutes later.
"""

from dataclasses import replace
from datetime import timedelta

from lwm_operator.api.attempt_status import Attempt, AttemptState, FailureClass, RootCause
from lwm_operator.plan.attempt import hang_detection, placement_timeout, queueing, startup_timeout, template_change
from lwm_operator.plan.attempt.placement import search_seconds, track_placement
from lwm_operator.plan.attempt.root_cause import describe_endings, root_cause
from lwm_operator.plan.attempt.termination import AttemptObservation, finish_attempt, graceful_delete, terminate
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.failure.node_avoidance import LIFT_SECONDS, oldest_avoided
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH
from lwm_operator.plan.multislice import still_being_created
from lwm_operator.plan.observed import JobView, PodState
from lwm_operator.plan.reasons import LifecycleReason, TrainerReason
from lwm_operator.plan.timestamps import parse, seconds_since, stamp
from lwm_trainer.config import FinalReport, Phase, Progress

RECHECK_SECONDS = 10.0

TRAINING = (Phase.TRAINING, Phase.VALIDATING, Phase.EVALUATING, Phase.SAVING, Phase.COMPLETE)
ENDED = (AttemptState.COMPLETE, AttemptState.FAILED, AttemptState.SUSPENDED)


def observe_attempt(attempt: Attempt, ctx: PlanContext) -> AttemptObservation:
    """The newest attempt of the current stage, updated from what is observed. An attempt that has ended stays as it is.

    Its progress report has been applied already (`stage_status.apply_report`).
    """
    if attempt.state in ENDED:
        return AttemptObservation(attempt=attempt)
    job, pods, report = ctx.job, ctx.pods, ctx.report
    if attempt.state == AttemptState.STOPPING:
        return _finish_after_all(attempt, ctx) or terminate(attempt, ctx)
    attempt = _track_placement(attempt, ctx)
    # Pods or a report without a Job: the Job was created and then deleted between two reconciles. Its name is not used again.
    if attempt.state == AttemptState.CREATING and job is None and still_being_created(ctx.jobs, pods) and report is None:
        if ctx.training.spec.suspend:
            return _suspend(attempt, ctx)
        if (cause := _placement_cause(attempt, ctx)) is not None:
            return terminate(_begin_stopping(attempt, cause, ctx), ctx)
        return AttemptObservation(attempt=attempt, wait_seconds=_recheck_after(attempt, ctx, None))
    attempt = attempt.model_copy(update={"job_uid": attempt.job_uid or (job.uid if job else None)})
    job = job if job is not None and job.uid == attempt.job_uid else None
    if job is not None and _all_ended_well(job, ctx):
        return _finish(attempt, job, ctx)
    if attempt.state == AttemptState.SUSPENDING:
        return _suspend(attempt, ctx)
    if (cause := _failure_cause(job, ctx)) is not None:
        return terminate(_begin_stopping(attempt, cause, ctx), ctx)
    if ctx.training.spec.suspend:
        return _suspend(attempt, ctx)
    if (cause := _release_cause(attempt, ctx)) is not None:
        return terminate(_begin_stopping(attempt, cause, ctx), ctx)
    lost = any(pod.node in ctx.observed.lost_nodes and pod.state == PodState.RUNNING for pod in pods)
    hang_check = hang_detection.detect_hang(attempt, report, ctx.renewed, ctx.now, lost=lost)
    if (cause := hang_check.cause) is not None:
        if lost and cause.reason == TrainerReason.LEASE_NOT_RENEWED:  # the lost node explains more
            cause = root_cause(pods, job, ctx.observed.lost_nodes)
        return terminate(_begin_stopping(attempt, cause, ctx), ctx)
    if (cause := startup_timeout.startup_timed_out(attempt, pods, report, ctx.execution.startup_timeout_seconds, ctx.now)) is not None:
        return terminate(_begin_stopping(attempt, cause, ctx), ctx)
    if attempt.state == AttemptState.CREATING and job is not None and job.held:
        return AttemptObservation(attempt=hang_check.attempt, wait_seconds=_recheck_after(attempt, ctx, hang_check.wait_seconds))
    is_training = report is not None and report.phase in TRAINING and not any(pod.state == PodState.PENDING for pod in pods)
    state = AttemptState.RUNNING if is_training else AttemptState.STARTING
    attempt = hang_check.attempt.model_copy(update={"state": state})
    return AttemptObservation(attempt=attempt, wait_seconds=_recheck_after(attempt, ctx, hang_check.wait_seconds))


def _has_stepped(attempt: Attempt, report: Progress | None) -> bool:
    """Whether process 0 has reported a step of this attempt, or that there is none left to do."""
    return attempt.step > attempt.from_step or (report is not None and report.phase in (Phase.SAVING, Phase.COMPLETE))


def _track_placement(attempt: Attempt, ctx: PlanContext) -> Attempt:
    if _has_stepped(attempt, ctx.report):
        return attempt.model_copy(update={"placement": None})
    return track_placement(attempt, ctx.pods, ctx.hosts, ctx.now, queued=queueing.is_queued(ctx.job, ctx.pods, ctx.report))


def _failure_cause(job: JobView | None, ctx: PlanContext) -> RootCause | None:
    """The cause of the attempt's end, once its Job or a pod is missing, has failed or is being deleted; None while all is well."""
    pods, report, lost_nodes = ctx.pods, ctx.report, ctx.observed.lost_nodes
    if job is not None and queueing.is_evicted(job, pods, report):
        return root_cause(pods, job, lost_nodes) if job.suspended else queueing.eviction_cause(job)
    if job is not None and (queueing.is_queued(job, pods, report) or not _has_failed_pod(job, ctx)):
        return None
    return root_cause(pods, job, lost_nodes)


def _has_failed_pod(job: JobView, ctx: PlanContext) -> bool:
    """Whether a pod failed or is being deleted.

    The Job controller also counts a host whose trainer ended well and another container of the pod did not. Such a host has done its part.
    """
    failed_or_deleting = any(pod.state == PodState.FAILED or (pod.deleting and pod.live) for pod in ctx.pods)
    succeeded = {pod.index for pod in ctx.pods if pod.state == PodState.SUCCEEDED}
    return job.failed or bool(job.failed_indexes - succeeded) or failed_or_deleting


def _release_cause(attempt: Attempt, ctx: PlanContext) -> RootCause | None:
    """Why an attempt whose pods have not all run gives its nodes back or is created again; None when it keeps waiting."""
    spec, pods = ctx.training.spec, ctx.pods
    if queueing.is_queued(ctx.job, pods, ctx.report):
        return template_change.superseded_cause(ctx.job, spec, pods)
    if not any(pod.state == PodState.PENDING for pod in pods):
        return _placement_cause(attempt, ctx)
    return template_change.superseded_cause(ctx.job, spec, pods) or _placement_cause(attempt, ctx)


def _placement_cause(attempt: Attempt, ctx: PlanContext) -> RootCause | None:
    """Why an attempt gives up the search for nodes; None when it goes on."""
    if (remaining := _lift_remaining(attempt, ctx)) is not None and remaining <= 0:
        lifted = oldest_avoided(ctx.node_faults, attempt.avoided)
        message = f"no node was found for {LIFT_SECONDS:.0f} s: {lifted} is no longer avoided, of {', '.join(attempt.avoided)}"
        return RootCause(
            failure_class=FailureClass.DISRUPTION, reason=LifecycleReason.AVOIDED_NODES_NEEDED, message=message[:MAX_MESSAGE_LENGTH]
        )
    timeout_seconds = ctx.execution.placement_timeout_seconds
    return placement_timeout.placement_timed_out(attempt, ctx.job, ctx.pods, ctx.hosts, timeout_seconds, ctx.now)


def _lift_remaining(attempt: Attempt, ctx: PlanContext) -> float | None:
    """Seconds until the attempt no longer avoids nodes; None while it does not lack any."""
    seconds = search_seconds(attempt.placement, ctx.now)
    return None if seconds is None or not attempt.avoided else LIFT_SECONDS - seconds


def describe_avoidance(attempt: Attempt) -> str:
    """What an attempt that finds no node avoids, and until when; empty for any other."""
    placement = attempt.placement
    if not attempt.avoided or placement is None or placement.unplaced_since is None:
        return ""
    lifted_at = parse(placement.unplaced_since) + timedelta(seconds=LIFT_SECONDS - (placement.searched_seconds or 0))
    return f"; avoids {', '.join(attempt.avoided)}, which failed repeatedly, until {stamp(lifted_at)}"


def _recheck_after(attempt: Attempt, ctx: PlanContext, hang_seconds: float | None) -> float | None:
    """Seconds until the plan may change without any event; None when it cannot."""
    timers = (
        placement_timeout.placement_remaining(attempt, ctx.execution.placement_timeout_seconds, ctx.now),
        startup_timeout.startup_remaining(attempt, ctx.execution.startup_timeout_seconds, ctx.now),
        _lift_remaining(attempt, ctx),
    )
    waits = [seconds + 1.0 for seconds in timers if seconds is not None]
    if hang_seconds is not None:
        waits.append(hang_seconds)
    if ctx.renewed is not None and (remaining := hang_detection.LOST_SECONDS + 1.0 - seconds_since(ctx.renewed, ctx.now)) > 0:
        waits.append(remaining)
    return min(waits, default=None)


def _all_ended_well(job: JobView, ctx: PlanContext) -> bool:
    """Whether all hosts exited with 0.

    A Job that failed, and has no pods any longer, does not tell: its sidecars may have been killed. Then the stage's last checkpoint on the
    Lease does, which process 0 reports once all hosts have committed it and the gate has let it through.
    """
    if job.failed and not ctx.pods and _final_report(ctx) is not None:
        return True
    return max(job.succeeded, sum(1 for pod in ctx.pods if pod.state == PodState.SUCCEEDED)) >= ctx.hosts > 0


def _finish(attempt: Attempt, job: JobView, ctx: PlanContext) -> AttemptObservation:
    """Exit code 0 counts only together with the final checkpoint, which the Lease or else a termination message reports."""
    final = _final_report(ctx)
    if final is None:
        attempt = attempt.model_copy(update={"root_cause": root_cause((), replace(job, suspended=False))})
        return AttemptObservation(attempt=finish_attempt(attempt, AttemptState.FAILED, ctx))
    return _complete(attempt, final, ctx)


def _finish_after_all(attempt: Attempt, ctx: PlanContext) -> AttemptObservation | None:
    """Complete an attempt that was given up, and whose trainers have all ended well meanwhile. None for any other."""
    job, final = ctx.job, _final_report(ctx)
    if job is None or job.uid != attempt.job_uid or final is None or not _all_ended_well(job, ctx):
        return None
    return _complete(attempt.model_copy(update={"root_cause": None, "host_exits": None}), final, ctx)


def _final_report(ctx: PlanContext) -> FinalReport | None:
    """The report of the stage's last checkpoint, from the Lease or a termination message."""
    reports = [
        ctx.report.final if ctx.report is not None else None,
        *(pod.termination_message.final for pod in ctx.pods if pod.termination_message is not None),
    ]
    return next((report for report in reports if report is not None and report.step == ctx.entry.total_steps), None)


def _complete(attempt: Attempt, final: FinalReport, ctx: PlanContext) -> AttemptObservation:
    attempt = attempt.model_copy(update={"step": final.step, "committed_step": final.step})
    return AttemptObservation(attempt=finish_attempt(attempt, AttemptState.COMPLETE, ctx), final=final)


def _begin_stopping(attempt: Attempt, cause: RootCause, ctx: PlanContext) -> Attempt:
    return attempt.model_copy(
        update={
            "state": AttemptState.STOPPING,
            "finished_at": stamp(ctx.now),
            "root_cause": cause,
            "host_exits": describe_endings(ctx.pods) or None,
        }
    )


def _suspend(attempt: Attempt, ctx: PlanContext) -> AttemptObservation:
    """Delete all pods gracefully: they save and exit."""
    attempt = attempt.model_copy(update={"state": AttemptState.SUSPENDING})
    survivors = ctx.survivors
    if not survivors:
        return AttemptObservation(attempt=finish_attempt(attempt, AttemptState.SUSPENDED, ctx))
    return AttemptObservation(attempt=attempt, actions=graceful_delete(survivors), wait_seconds=RECHECK_SECONDS)
