"""The life of one attempt: Creating (the intent), Starting, Running, then Complete, or Stopping and Failed.

Detection is from the pods: a Job's own conditions come up to two minutes later.
"""

from dataclasses import dataclass
from datetime import datetime

from lwm_operator.api.status import Attempt, AttemptState
from lwm_operator.plan.cause import better, root_cause
from lwm_operator.plan.moments import seconds_since, stamp
from lwm_operator.plan.observed import JobView, Observed, PodState, PodView
from lwm_operator.plan.result import DeletePod
from lwm_trainer.config import Final, Phase, Progress

LEAVE_SECONDS = 10.0
"""Survivors of a lost host get this long to write their last words."""

DELETE_GRACE_SECONDS = 5
LOOK_AGAIN_SECONDS = 10.0
"""Nodes are not watched: whether one went NotReady is seen by looking again."""

TRAINING = (Phase.TRAINING, Phase.SAVING, Phase.COMPLETE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """An attempt as it is now, what to do about its pods, and the final checkpoint when it is complete."""

    attempt: Attempt
    final: Final | None = None
    actions: tuple[DeletePod, ...] = ()
    wait_seconds: float | None = None


def look(attempt: Attempt, stage: int, hosts: int, total_steps: int, observed: Observed, now: datetime) -> Looked:
    """The attempt (of the 1-based stage) brought up to what is observed; an ended one stays as it is."""
    job = observed.job(stage, attempt.number)
    pods = observed.pods_of(stage, attempt.number)
    report = observed.reports.get((stage, attempt.number))
    attempt = _reported(attempt, report)
    match attempt.state:
        case AttemptState.CREATING if job is None:
            return Looked(attempt=attempt)
        case AttemptState.CREATING | AttemptState.STARTING | AttemptState.RUNNING:
            attempt = attempt.model_copy(update={"job_uid": attempt.job_uid or (job.uid if job else None)})
            if job is None or job.uid != attempt.job_uid or _broken(job, pods):
                gone = job if job is not None and job.uid == attempt.job_uid else None
                stopping = {"state": AttemptState.STOPPING, "finished_at": stamp(now), "root_cause": root_cause(pods, gone)}
                return _stop(attempt.model_copy(update=stopping), job, pods, observed, now)
            if _done(job, pods, hosts):
                return _finish(attempt, job, pods, report, total_steps, now)
            running = report is not None and report.phase in TRAINING and not any(pod.state == PodState.PENDING for pod in pods)
            return Looked(attempt=attempt.model_copy(update={"state": AttemptState.RUNNING if running else AttemptState.STARTING}))
        case AttemptState.STOPPING:
            return _stop(attempt, job, pods, observed, now)
        case AttemptState.COMPLETE | AttemptState.FAILED:
            return Looked(attempt=attempt)


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


def _broken(job: JobView, pods: tuple[PodView, ...]) -> bool:
    return job.failed or any(pod.state == PodState.FAILED or (pod.deleting and pod.live) for pod in pods)


def _done(job: JobView, pods: tuple[PodView, ...], hosts: int) -> bool:
    return max(job.succeeded, sum(1 for pod in pods if pod.state == PodState.SUCCEEDED)) >= hosts


def _finish(attempt: Attempt, job: JobView, pods: tuple[PodView, ...], report: Progress | None, total_steps: int, now: datetime) -> Looked:
    """Exit code 0 counts only with the final checkpoint that goes with it: from the Lease, else from the last words."""
    said = [report.final if report is not None else None, *(pod.words.final for pod in pods if pod.words is not None)]
    final = next((each for each in said if each is not None and each.step == total_steps), None)
    if final is None:
        failed = {"state": AttemptState.FAILED, "finished_at": stamp(now), "root_cause": root_cause((), job)}
        return Looked(attempt=attempt.model_copy(update=failed))
    done = {"state": AttemptState.COMPLETE, "finished_at": stamp(now), "step": total_steps, "committed_step": total_steps}
    return Looked(attempt=attempt.model_copy(update=done), final=final)


def _stop(attempt: Attempt, job: JobView | None, pods: tuple[PodView, ...], observed: Observed, now: datetime) -> Looked:
    """Survivors leave by themselves or are deleted; the cause is looked at again until then, because last words come late."""
    waited = seconds_since(attempt.finished_at, now)
    if waited < LEAVE_SECONDS and any(pod.state == PodState.FAILED for pod in pods):
        attempt = attempt.model_copy(update={"root_cause": better(attempt.root_cause, root_cause(pods, job))})
    survivors = [pod for pod in pods if observed.holds_on(pod)]
    if not survivors:
        return Looked(attempt=attempt.model_copy(update={"state": AttemptState.FAILED}))
    if waited < LEAVE_SECONDS:
        return Looked(attempt=attempt, wait_seconds=LEAVE_SECONDS - waited)
    return Looked(attempt=attempt, actions=evict(survivors), wait_seconds=LOOK_AGAIN_SECONDS)


def evict(pods: list[PodView]) -> tuple[DeletePod, ...]:
    """Delete those that are not already being deleted as fast."""
    return tuple(
        DeletePod(name=pod.name, uid=pod.uid, grace_seconds=DELETE_GRACE_SECONDS)
        for pod in pods
        if not pod.deleting or pod.grace_seconds > DELETE_GRACE_SECONDS
    )
