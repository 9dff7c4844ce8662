"""The life of one attempt: Creating (the intent), Starting, Running, then Complete, or Stopping and Failed, or Suspending and Suspended.

Detection is from the pods: a Job's own conditions come up to two minutes later.
"""

from dataclasses import dataclass

from lwm_operator.api.status import Attempt, AttemptState, FailureClass, RootCause
from lwm_operator.plan import hang, placement, template
from lwm_operator.plan.avoid import LIFT_SECONDS
from lwm_operator.plan.backoff import PLACEMENT_TIMEOUT
from lwm_operator.plan.cause import HOST_LOST, NODE_NOT_READY, better, endings, root_cause
from lwm_operator.plan.moments import elapsed, seconds_since, stamp
from lwm_operator.plan.observed import JobView, PodState, PodView
from lwm_operator.plan.result import DeletePod
from lwm_operator.plan.situation import Situation
from lwm_trainer.config import Final, Phase, Progress

LEAVE_SECONDS = 10.0
"""Survivors of a lost host get this long to write their last words."""
SHORT_LEAVE_SECONDS = 1.5
"""When the cause is known: a survivor that has not noticed by then waits in a collective, and has nothing to tell."""

DELETE_GRACE_SECONDS = 1
LOOK_AGAIN_SECONDS = 10.0
OVERDUE_LOOK_SECONDS = 3.0
"""While pods are being deleted: their nodes may turn out to be lost."""

TRAINING = (Phase.TRAINING, Phase.SAVING, Phase.COMPLETE)
ENDED = (AttemptState.COMPLETE, AttemptState.FAILED, AttemptState.SUSPENDED)
NO_ROOM = "NoRoomWithoutAvoided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """An attempt as it is now, what to do about its pods, and the final checkpoint when it is complete."""

    attempt: Attempt
    final: Final | None = None
    actions: tuple[DeletePod, ...] = ()
    wait_seconds: float | None = None


def look(attempt: Attempt, here: Situation) -> Looked:
    """The newest attempt of the current stage brought up to what is observed; an ended one stays as it is."""
    if attempt.state in ENDED:
        return Looked(attempt=attempt)
    job, pods, report = here.job, here.pods, here.report
    attempt = _reported(attempt, report)
    if attempt.state == AttemptState.STOPPING:
        return _stop(attempt, here)
    # A Job of which pods or words are left was created, and then deleted before anybody looked: its name is not used again.
    if attempt.state == AttemptState.CREATING and job is None and not pods and report is None:
        return Looked(attempt=_ended(attempt, AttemptState.SUSPENDED, here) if here.training.spec.suspend else attempt)
    attempt = attempt.model_copy(update={"job_uid": attempt.job_uid or (job.uid if job else None)})
    job = job if job is not None and job.uid == attempt.job_uid else None
    if job is not None and _done(job, pods, here.hosts):
        return _finish(attempt, job, here)
    if attempt.state == AttemptState.SUSPENDING:
        return _suspend(attempt, here)
    if job is None or _broken(job, here):
        return _stop(_stopping(attempt, root_cause(pods, job, here.observed.lost_nodes), here), here)
    if here.training.spec.suspend:
        return _suspend(attempt.model_copy(update={"state": AttemptState.SUSPENDING}), here)
    if (cause := _released(attempt, here)) is not None:
        return _stop(_stopping(attempt, cause, here), here)
    lost = any(pod.node in here.observed.lost_nodes and pod.state == PodState.RUNNING for pod in pods)
    watched = hang.judge(attempt, report, here.renewed, here.now, lost=lost)
    if watched.cause is not None:
        silent = lost and watched.cause.reason == "LeaseSilent"  # then its node says more
        cause = root_cause(pods, job, here.observed.lost_nodes) if silent else watched.cause
        return _stop(_stopping(attempt, cause, here), here)
    running = report is not None and report.phase in TRAINING and not any(pod.state == PodState.PENDING for pod in pods)
    state = AttemptState.RUNNING if running else AttemptState.STARTING
    return Looked(attempt=watched.attempt.model_copy(update={"state": state}), wait_seconds=_patience(here, watched.wait_seconds))


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


def _broken(job: JobView, here: Situation) -> bool:
    """A pod failed or is being taken away."""
    taken = any(pod.state == PodState.FAILED or (pod.deleting and pod.live) for pod in here.pods)
    return job.failed or bool(job.failed_indexes) or taken


def _released(attempt: Attempt, here: Situation) -> RootCause | None:
    """Reasons to end an attempt whose pods have not all run: its nodes are given back, or it is made anew."""
    spec, pods = here.training.spec, here.pods
    if not any(pod.state == PodState.PENDING for pod in pods):
        return None
    if (edited := template.superseded(here.job, spec, pods)) is not None:
        return edited
    if attempt.avoided_nodes and placement.since(pods, here.now) >= LIFT_SECONDS:
        said = f"no node was found for {LIFT_SECONDS:.0f} s without {', '.join(attempt.avoided_nodes)}: they are avoided no longer"
        return RootCause(failure_class=FailureClass.DISRUPTION, reason=NO_ROOM, message=said[:1000])
    return placement.given_up(pods, spec.execution.placement_timeout_seconds, here.now)


def _patience(here: Situation, hang_seconds: float | None) -> float | None:
    """Seconds until the plan might say something else although nothing happens."""
    waits = [hang_seconds] if hang_seconds is not None else []
    if placement.homeless(here.pods):
        waited = placement.since(here.pods, here.now)
        limits = (LIFT_SECONDS, float(here.training.spec.execution.placement_timeout_seconds))
        waits += [limit - waited + 1.0 for limit in limits if limit > waited]
    if here.renewed is not None and (left := hang.LOST_SECONDS + 1.0 - seconds_since(here.renewed, here.now)) > 0:
        waits.append(left)
    return min(waits, default=None)


def _done(job: JobView, pods: tuple[PodView, ...], hosts: int) -> bool:
    return max(job.succeeded, sum(1 for pod in pods if pod.state == PodState.SUCCEEDED)) >= hosts


def _finish(attempt: Attempt, job: JobView, here: Situation) -> Looked:
    """Exit code 0 counts only with the final checkpoint that goes with it: from the Lease, else from the last words."""
    said = [here.report.final if here.report is not None else None, *(pod.words.final for pod in here.pods if pod.words is not None)]
    final = next((each for each in said if each is not None and each.step == here.entry.total_steps), None)
    if final is None:
        failed = attempt.model_copy(update={"root_cause": root_cause((), job)})
        return Looked(attempt=_ended(failed, AttemptState.FAILED, here))
    done = attempt.model_copy(update={"step": final.step, "committed_step": final.step})
    return Looked(attempt=_ended(done, AttemptState.COMPLETE, here), final=final)


def _ended(attempt: Attempt, state: AttemptState, here: Situation) -> Attempt:
    finished = attempt.finished_at or stamp(here.now)
    return attempt.model_copy(update={"state": state, "finished_at": finished, "silence": None})


def _stopping(attempt: Attempt, cause: RootCause, here: Situation) -> Attempt:
    return attempt.model_copy(
        update={"state": AttemptState.STOPPING, "finished_at": stamp(here.now), "root_cause": cause, "endings": endings(here.pods) or None}
    )


def _stop(attempt: Attempt, here: Situation) -> Looked:
    """Survivors leave by themselves or are deleted; the cause is looked at again until then, because last words come late.

    A pod that somebody else takes away has its grace: the gang saves together, and the time for leaving begins when that is over.
    """
    grace = _grace(here)
    attempt = attempt.model_copy(update={"finished_at": None if grace > 0 else attempt.finished_at or stamp(here.now)})
    waited = 0.0 if grace > 0 else elapsed(attempt.finished_at, here.now)
    failed = [pod for pod in here.pods if pod.state == PodState.FAILED]
    leave = _leave(attempt.root_cause)
    if _ours(attempt.root_cause):
        newer = root_cause(here.pods, here.job, here.observed.lost_nodes)
        # Once survivors are being deleted, they look like a cause: then only the node's own fate is news.
        if (failed and waited < leave) or newer.reason == NODE_NOT_READY:
            step = max([attempt.step, *(pod.words.step for pod in failed if pod.words is not None)])
            said = {"root_cause": better(attempt.root_cause, newer), "step": step, "endings": endings(here.pods) or None}
            attempt = attempt.model_copy(update=said)
            leave = _leave(attempt.root_cause)
    survivors = [pod for pod in here.pods if here.observed.holds_on(pod, here.now)]
    if not survivors:
        return Looked(attempt=_ended(attempt, AttemptState.FAILED, here))
    if grace > 0:
        return Looked(attempt=attempt, wait_seconds=grace)
    if waited < leave:
        return Looked(attempt=attempt, wait_seconds=leave - waited)
    return Looked(attempt=attempt, actions=evict(survivors), wait_seconds=OVERDUE_LOOK_SECONDS)


def _grace(here: Situation) -> float:
    """Seconds that are left to pods which somebody else is taking away; 0 when there are none."""
    held = [pod for pod in here.pods if here.observed.holds_on(pod, here.now)]
    taken = [pod for pod in held if pod.deleting and pod.grace_seconds > DELETE_GRACE_SECONDS and pod.gone_by is not None]
    return max((-seconds_since(pod.gone_by, here.now) for pod in taken), default=0.0)


def _leave(cause: RootCause | None) -> float:
    """How long survivors have to leave by themselves: not at all when we decided the end, for then nobody has anything to tell."""
    if cause is not None and not _ours(cause):
        return 0.0
    vague = cause is None or cause.reason == HOST_LOST or cause.failure_class == FailureClass.DISRUPTION
    return LEAVE_SECONDS if vague else SHORT_LEAVE_SECONDS


def _ours(cause: RootCause | None) -> bool:
    """Whether the cause was read from the pods, and may be read again: what the operator itself decided stands."""
    decided = ("Hang", "LeaseSilent", "Superseded", PLACEMENT_TIMEOUT, NO_ROOM)
    return cause is None or cause.reason not in decided or cause.pod is not None


def _suspend(attempt: Attempt, here: Situation) -> Looked:
    """All pods are told to save and leave, with all the grace they have."""
    live = [pod for pod in here.pods if here.observed.holds_on(pod, here.now)]
    if not live:
        return Looked(attempt=_ended(attempt, AttemptState.SUSPENDED, here))
    told = tuple(DeletePod(name=pod.name, uid=pod.uid, grace_seconds=None) for pod in live if not pod.deleting)
    return Looked(attempt=attempt, actions=told, wait_seconds=LOOK_AGAIN_SECONDS)


def evict(pods: list[PodView]) -> tuple[DeletePod, ...]:
    """Delete those that are not already being deleted as fast."""
    return tuple(
        DeletePod(name=pod.name, uid=pod.uid, grace_seconds=DELETE_GRACE_SECONDS)
        for pod in pods
        if not pod.deleting or pod.grace_seconds > DELETE_GRACE_SECONDS
    )
