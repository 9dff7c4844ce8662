"""The life of one attempt: Creating (the intent), Starting, Running, then Complete, or Stopping and Failed, or Suspending and Suspended.

Detection is from the pods: a Job's own conditions come up to two minutes later.
"""

from dataclasses import replace

from lwm_operator.api.status import Attempt, AttemptState, FailureClass, RootCause
from lwm_operator.plan.attempt import hang_detection, placement_timeout, queueing, template_change
from lwm_operator.plan.attempt.root_cause import describe_endings, root_cause
from lwm_operator.plan.attempt.termination import NO_ROOM, AttemptObservation, finish_attempt, graceful_delete, terminate
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.failure.node_avoidance import LIFT_SECONDS
from lwm_operator.plan.multislice import still_being_created
from lwm_operator.plan.observed import JobView, PodState, PodView
from lwm_operator.plan.timestamps import seconds_since, stamp
from lwm_trainer.config import Phase, Progress

RECHECK_SECONDS = 10.0

TRAINING = (Phase.TRAINING, Phase.SAVING, Phase.COMPLETE)
ENDED = (AttemptState.COMPLETE, AttemptState.FAILED, AttemptState.SUSPENDED)


def observe_attempt(attempt: Attempt, ctx: PlanContext) -> AttemptObservation:
    """The newest attempt of the current stage brought up to what is observed; an ended one stays as it is."""
    if attempt.state in ENDED:
        return AttemptObservation(attempt=attempt)
    job, pods, report = ctx.job, ctx.pods, ctx.report
    attempt = _apply_report(attempt, report)
    if attempt.state == AttemptState.STOPPING:
        return terminate(attempt, ctx)
    # A Job of which pods or words are left was created, and then deleted before anybody looked: its name is not used again.
    if attempt.state == AttemptState.CREATING and job is None and still_being_created(ctx.jobs, pods) and report is None:
        if not ctx.training.spec.suspend:
            return AttemptObservation(attempt=attempt)
        return _suspend(attempt.model_copy(update={"state": AttemptState.SUSPENDING}), ctx)
    attempt = attempt.model_copy(update={"job_uid": attempt.job_uid or (job.uid if job else None)})
    job = job if job is not None and job.uid == attempt.job_uid else None
    if job is not None and _all_succeeded(job, pods, ctx.hosts):
        return _finish(attempt, job, ctx)
    if attempt.state == AttemptState.SUSPENDING:
        return _suspend(attempt, ctx)
    if (over := _failure_cause(job, ctx)) is not None:
        return terminate(_begin_stopping(attempt, over, ctx), ctx)
    if ctx.training.spec.suspend:
        return _suspend(attempt.model_copy(update={"state": AttemptState.SUSPENDING}), ctx)
    if (cause := _release_cause(attempt, ctx)) is not None:
        return terminate(_begin_stopping(attempt, cause, ctx), ctx)
    lost = any(pod.node in ctx.observed.lost_nodes and pod.state == PodState.RUNNING for pod in pods)
    watched = hang_detection.detect_hang(attempt, report, ctx.renewed, ctx.now, lost=lost)
    if watched.cause is not None:
        silent = lost and watched.cause.reason == "LeaseSilent"  # then its node says more
        cause = root_cause(pods, job, ctx.observed.lost_nodes) if silent else watched.cause
        return terminate(_begin_stopping(attempt, cause, ctx), ctx)
    running = report is not None and report.phase in TRAINING and not any(pod.state == PodState.PENDING for pod in pods)
    state = AttemptState.RUNNING if running else AttemptState.STARTING
    return AttemptObservation(
        attempt=watched.attempt.model_copy(update={"state": state}), wait_seconds=_recheck_after(ctx, watched.wait_seconds)
    )


def _apply_report(attempt: Attempt, report: Progress | None) -> Attempt:
    if report is None or report.attempt != attempt.number:
        return attempt
    return attempt.model_copy(
        update={
            "from_step": report.resumed_from,
            "step": max(attempt.step, report.step),
            "committed_step": max(attempt.committed_step, report.committed_step),
        }
    )


def _failure_cause(job: JobView | None, ctx: PlanContext) -> RootCause | None:
    """The cause of the attempt's end, once its Job or a pod of it is gone, has failed or is being taken away; None while all is well."""
    pods, report, lost = ctx.pods, ctx.report, ctx.observed.lost_nodes
    if job is not None and queueing.is_evicted(job, pods, report):
        return root_cause(pods, job, lost) if job.suspended else queueing.eviction_cause(job)
    if job is not None and (queueing.is_queued(job, pods, report) or not _has_broken_pod(job, ctx)):
        return None
    return root_cause(pods, job, lost)


def _has_broken_pod(job: JobView, ctx: PlanContext) -> bool:
    """A pod failed or is being taken away."""
    taken = any(pod.state == PodState.FAILED or (pod.deleting and pod.live) for pod in ctx.pods)
    return job.failed or bool(job.failed_indexes) or taken


def _release_cause(attempt: Attempt, ctx: PlanContext) -> RootCause | None:
    """Reasons to end an attempt whose pods have not all run: its nodes are given back, or it is made anew."""
    spec, pods = ctx.training.spec, ctx.pods
    if queueing.is_queued(ctx.job, pods, ctx.report):
        return template_change.superseded_cause(ctx.job, spec, pods)
    if not any(pod.state == PodState.PENDING for pod in pods):
        return None
    if (edited := template_change.superseded_cause(ctx.job, spec, pods)) is not None:
        return edited
    if attempt.avoided_nodes and placement_timeout.unscheduled_seconds(pods, ctx.now) >= LIFT_SECONDS:
        said = f"no node was found for {LIFT_SECONDS:.0f} s without {', '.join(attempt.avoided_nodes)}: they are avoided no longer"
        return RootCause(failure_class=FailureClass.DISRUPTION, reason=NO_ROOM, message=said[:1000])
    return placement_timeout.placement_timed_out(pods, spec.execution.placement_timeout_seconds, ctx.now)


def _recheck_after(ctx: PlanContext, hang_seconds: float | None) -> float | None:
    """Seconds until the plan might say something else although nothing happens."""
    waits = [hang_seconds] if hang_seconds is not None else []
    if placement_timeout.unscheduled_pods(ctx.pods):
        waited = placement_timeout.unscheduled_seconds(ctx.pods, ctx.now)
        limits = (LIFT_SECONDS, float(ctx.training.spec.execution.placement_timeout_seconds))
        waits += [limit - waited + 1.0 for limit in limits if limit > waited]
    if ctx.renewed is not None and (left := hang_detection.LOST_SECONDS + 1.0 - seconds_since(ctx.renewed, ctx.now)) > 0:
        waits.append(left)
    return min(waits, default=None)


def _all_succeeded(job: JobView, pods: tuple[PodView, ...], hosts: int) -> bool:
    return max(job.succeeded, sum(1 for pod in pods if pod.state == PodState.SUCCEEDED)) >= hosts


def _finish(attempt: Attempt, job: JobView, ctx: PlanContext) -> AttemptObservation:
    """Exit code 0 counts only with the final checkpoint that goes with it: from the Lease, else from the last words."""
    said = [
        ctx.report.final if ctx.report is not None else None,
        *(pod.termination_message.final for pod in ctx.pods if pod.termination_message is not None),
    ]
    final = next((each for each in said if each is not None and each.step == ctx.entry.total_steps), None)
    if final is None:
        failed = attempt.model_copy(update={"root_cause": root_cause((), replace(job, suspended=False))})
        return AttemptObservation(attempt=finish_attempt(failed, AttemptState.FAILED, ctx))
    done = attempt.model_copy(update={"step": final.step, "committed_step": final.step})
    return AttemptObservation(attempt=finish_attempt(done, AttemptState.COMPLETE, ctx), final=final)


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
    """All pods are told to save and leave, with all the grace they have."""
    live = ctx.survivors
    if not live:
        return AttemptObservation(attempt=finish_attempt(attempt, AttemptState.SUSPENDED, ctx))
    return AttemptObservation(attempt=attempt, actions=graceful_delete(live), wait_seconds=RECHECK_SECONDS)
