"""Garbage collection: stray pods, old failed attempts, suspended Jobs of ended attempts, and the children of a finished training."""

from datetime import datetime

from lwm_operator.api.attempt_status import Attempt
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.api.status import Condition
from lwm_operator.plan.actions import CleanUp, DeleteAttempt, DeletePod
from lwm_operator.plan.attempt.lifecycle import ENDED
from lwm_operator.plan.attempt.termination import fast_delete
from lwm_operator.plan.dataset_preparation import preparation_deletions
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.timestamps import seconds_since


def delete_stray_pods(stage: int, newest: Attempt | None, observed: Observed) -> tuple[DeletePod, ...]:
    """Delete pods that hold a node and do not belong to the active attempt of the current `stage`.

    They come from a node that returned, or from the Job of an ended attempt that creates its last pods late. Or their trainer has ended,
    and a container that somebody injected has not: such a pod would keep its devices for ever.
    """
    live = newest.number if newest is not None and newest.state not in ENDED else None
    holding = [pod for pod in observed.pods if pod.holds_node]
    return fast_delete([pod for pod in holding if (pod.stage, pod.attempt) != (stage, live)])


def delete_old_attempts(entries: tuple[StageStatus, ...], kept: int, observed: Observed) -> tuple[DeleteAttempt, ...]:
    """Delete failed attempts except the last `kept` and the newest of each stage, which is current or holds the logs of the stage's end.

    Of an ended attempt whose Jobs somebody else deleted, nothing is kept: there are no logs.
    """
    newest = {(number, entry.attempts) for number, entry in enumerate(entries, start=1)}
    going = {
        (number, attempt.number)
        for number, entry in enumerate(entries, start=1)
        for attempt in entry.recent_attempts[:1]
        if attempt.state not in ENDED
    }
    live = {(pod.stage, pod.attempt) for pod in observed.pods if pod.live}
    keyed = {(deletion.stage, deletion.attempt): deletion for deletion in attempt_deletions(observed)}
    without_jobs = [deletion for key, deletion in keyed.items() if not deletion.jobs and key not in going]
    failed = [deletion for key, deletion in keyed.items() if deletion.jobs and key not in newest]
    deletions = [*without_jobs, *failed[: max(len(failed) - kept, 0)]]
    return tuple(deletion for deletion in deletions if (deletion.stage, deletion.attempt) not in live)


def attempt_deletions(observed: Observed) -> list[DeleteAttempt]:
    """The actions that delete every attempt with a Job or a Lease, the oldest first."""
    return [
        DeleteAttempt(stage=stage, attempt=attempt, jobs=tuple((job.name, job.uid) for job in observed.jobs_of(stage, attempt)))
        for stage, attempt in sorted({*((job.stage, job.attempt) for job in observed.jobs), *observed.leases})
    ]


def delete_queued_leftovers(entries: tuple[StageStatus, ...], observed: Observed) -> tuple[DeleteAttempt, ...]:
    """Delete suspended Jobs of ended attempts, which would run unsupervised if a queue admitted them. A failed Job is never admitted.

    Attempts of which all Jobs are held have never had a pod, and go as well. Of any other attempt the released Jobs are evidence.
    """
    live = {(pod.stage, pod.attempt) for pod in observed.pods if pod.live}
    active = {
        (number, attempt.number)
        for number, entry in enumerate(entries, start=1)
        for attempt in entry.recent_attempts[:1]
        if attempt.state not in ENDED
    }
    suspended = {(job.stage, job.attempt) for job in observed.jobs if job.suspended and not job.failed}
    released = {(job.stage, job.attempt) for job in observed.jobs if not job.held}
    held = {(job.stage, job.attempt) for job in observed.jobs} - released
    return tuple(
        deletion for deletion in attempt_deletions(observed) if (deletion.stage, deletion.attempt) in (suspended | held) - active - live
    )


def clean_up_finished(
    conditions: tuple[Condition, ...], ttl_seconds: int | None, observed: Observed, now: datetime
) -> tuple[tuple[CleanUp, ...], float | None]:
    """The clean-up of a finished training once its time to live is over, and before that the seconds until then."""
    ended_at = [
        condition.last_transition_time
        for condition in conditions
        if condition.type in ("Complete", "Failed") and condition.status == "True"
    ]
    if ttl_seconds is None or not ended_at or not any((observed.jobs, observed.preparations, observed.leases, observed.preparation_leases)):
        return (), None
    if (remaining := ttl_seconds - seconds_since(ended_at[0], now)) > 0:
        return (), remaining
    return (CleanUp(attempts=tuple(attempt_deletions(observed)), preparations=preparation_deletions(observed)),), None
