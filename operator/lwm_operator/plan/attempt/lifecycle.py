"""The life of one attempt: Creating (the intent), Starting, Running, then Complete, or Stopping and Failed, or Suspending and Suspended.

Detection is from the pods: a Job's own conditions come up to two minutes later.
"""

from dataclasses import replace

from lwm_operator.api.status import Attempt, AttemptState, FailureClass, RootCause
from lwm_operator.plan.attempt import hang_detection, placement_timeout, queueing, template_change
from lwm_operator.plan.attempt.root_cause import endings, root_cause
from lwm_operator.plan.attempt.termination import NO_ROOM, AttemptObservation, ended, stop, told
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.failure.node_avoidance import LIFT_SECONDS
from lwm_operator.plan.multislice import being_made
from lwm_operator.plan.observed import JobView, PodState, PodView
from lwm_operator.plan.timestamps import seconds_since, stamp
from lwm_trainer.config import Phase, Progress

LOOK_AGAIN_SECONDS = 10.0

TRAINING = (Phase.TRAINING, Phase.SAVING, Phase.COMPLETE)
ENDED = (AttemptState.COMPLETE, AttemptState.FAILED, AttemptState.SUSPENDED)


def look(attempt: Attempt, here: PlanContext) -> AttemptObservation:
    """The newest attempt of the current stage brought up to what is observed; an ended one stays as it is."""
    if attempt.state in ENDED:
        return AttemptObservation(attempt=attempt)
    job, pods, report = here.job, here.pods, here.report
    attempt = _reported(attempt, report)
    if attempt.state == AttemptState.STOPPING:
        return stop(attempt, here)
    # A Job of which pods or words are left was created, and then deleted before anybody looked: its name is not used again.
    if attempt.state == AttemptState.CREATING and job is None and being_made(here.jobs, pods) and report is None:
        if not here.training.spec.suspend:
            return AttemptObservation(attempt=attempt)
        return _suspend(attempt.model_copy(update={"state": AttemptState.SUSPENDING}), here)
    attempt = attempt.model_copy(update={"job_uid": attempt.job_uid or (job.uid if job else None)})
    job = job if job is not None and job.uid == attempt.job_uid else None
    if job is not None and _done(job, pods, here.hosts):
        return _finish(attempt, job, here)
    if attempt.state == AttemptState.SUSPENDING:
        return _suspend(attempt, here)
    if (over := _over(job, here)) is not None:
        return stop(_stopping(attempt, over, here), here)
    if here.training.spec.suspend:
        return _suspend(attempt.model_copy(update={"state": AttemptState.SUSPENDING}), here)
    if (cause := _released(attempt, here)) is not None:
        return stop(_stopping(attempt, cause, here), here)
    lost = any(pod.node in here.observed.lost_nodes and pod.state == PodState.RUNNING for pod in pods)
    watched = hang_detection.judge(attempt, report, here.renewed, here.now, lost=lost)
    if watched.cause is not None:
        silent = lost and watched.cause.reason == "LeaseSilent"  # then its node says more
        cause = root_cause(pods, job, here.observed.lost_nodes) if silent else watched.cause
        return stop(_stopping(attempt, cause, here), here)
    running = report is not None and report.phase in TRAINING and not any(pod.state == PodState.PENDING for pod in pods)
    state = AttemptState.RUNNING if running else AttemptState.STARTING
    return AttemptObservation(
        attempt=watched.attempt.model_copy(update={"state": state}), wait_seconds=_patience(here, watched.wait_seconds)
    )


def _reported(attempt: Attempt, report: Progress | None) -> Attempt:
    if report is None or report.attempt != attempt.number:
        return attempt
    return attempt.model_copy(
        update={
            "from_step": report.resumed_from,
            "step": max(attempt.step, report.step),
            "committed_step": max(attempt.committed_step, report.committed_step),
        }
    )


def _over(job: JobView | None, here: PlanContext) -> RootCause | None:
    """The cause of the attempt's end, once its Job or a pod of it is gone, has failed or is being taken away; None while all is well."""
    pods, report, lost = here.pods, here.report, here.observed.lost_nodes
    if job is not None and queueing.evicted(job, pods, report):
        return root_cause(pods, job, lost) if job.suspended else queueing.eviction(job)
    if job is not None and (queueing.waits(job, pods, report) or not _broken(job, here)):
        return None
    return root_cause(pods, job, lost)


def _broken(job: JobView, here: PlanContext) -> bool:
    """A pod failed or is being taken away."""
    taken = any(pod.state == PodState.FAILED or (pod.deleting and pod.live) for pod in here.pods)
    return job.failed or bool(job.failed_indexes) or taken


def _released(attempt: Attempt, here: PlanContext) -> RootCause | None:
    """Reasons to end an attempt whose pods have not all run: its nodes are given back, or it is made anew."""
    spec, pods = here.training.spec, here.pods
    if queueing.waits(here.job, pods, here.report):
        return template_change.superseded(here.job, spec, pods)
    if not any(pod.state == PodState.PENDING for pod in pods):
        return None
    if (edited := template_change.superseded(here.job, spec, pods)) is not None:
        return edited
    if attempt.avoided_nodes and placement_timeout.since(pods, here.now) >= LIFT_SECONDS:
        said = f"no node was found for {LIFT_SECONDS:.0f} s without {', '.join(attempt.avoided_nodes)}: they are avoided no longer"
        return RootCause(failure_class=FailureClass.DISRUPTION, reason=NO_ROOM, message=said[:1000])
    return placement_timeout.given_up(pods, spec.execution.placement_timeout_seconds, here.now)


def _patience(here: PlanContext, hang_seconds: float | None) -> float | None:
    """Seconds until the plan might say something else although nothing happens."""
    waits = [hang_seconds] if hang_seconds is not None else []
    if placement_timeout.homeless(here.pods):
        waited = placement_timeout.since(here.pods, here.now)
        limits = (LIFT_SECONDS, float(here.training.spec.execution.placement_timeout_seconds))
        waits += [limit - waited + 1.0 for limit in limits if limit > waited]
    if here.renewed is not None and (left := hang_detection.LOST_SECONDS + 1.0 - seconds_since(here.renewed, here.now)) > 0:
        waits.append(left)
    return min(waits, default=None)


def _done(job: JobView, pods: tuple[PodView, ...], hosts: int) -> bool:
    return max(job.succeeded, sum(1 for pod in pods if pod.state == PodState.SUCCEEDED)) >= hosts


def _finish(attempt: Attempt, job: JobView, here: PlanContext) -> AttemptObservation:
    """Exit code 0 counts only with the final checkpoint that goes with it: from the Lease, else from the last words."""
    said = [here.report.final if here.report is not None else None, *(pod.words.final for pod in here.pods if pod.words is not None)]
    final = next((each for each in said if each is not None and each.step == here.entry.total_steps), None)
    if final is None:
        failed = attempt.model_copy(update={"root_cause": root_cause((), replace(job, suspended=False))})
        return AttemptObservation(attempt=ended(failed, AttemptState.FAILED, here))
    done = attempt.model_copy(update={"step": final.step, "committed_step": final.step})
    return AttemptObservation(attempt=ended(done, AttemptState.COMPLETE, here), final=final)


def _stopping(attempt: Attempt, cause: RootCause, here: PlanContext) -> Attempt:
    return attempt.model_copy(
        update={"state": AttemptState.STOPPING, "finished_at": stamp(here.now), "root_cause": cause, "endings": endings(here.pods) or None}
    )


def _suspend(attempt: Attempt, here: PlanContext) -> AttemptObservation:
    """All pods are told to save and leave, with all the grace they have."""
    live = here.survivors
    if not live:
        return AttemptObservation(attempt=ended(attempt, AttemptState.SUSPENDED, here))
    return AttemptObservation(attempt=attempt, actions=told(live), wait_seconds=LOOK_AGAIN_SECONDS)
