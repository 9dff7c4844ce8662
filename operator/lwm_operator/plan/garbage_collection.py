"""What is left over: live pods of attempts that status does not name, Jobs of old failed attempts, and everything after a finished one."""

from datetime import datetime

from lwm_operator.api.status import Attempt, Condition, StageStatus
from lwm_operator.plan.actions import CleanUp, DeleteAttempt, DeletePod
from lwm_operator.plan.attempt.lifecycle import ENDED
from lwm_operator.plan.attempt.termination import fast_delete
from lwm_operator.plan.dataset_preparation import preparation_deletions
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.timestamps import seconds_since


def delete_stray_pods(stage: int, newest: Attempt | None, observed: Observed) -> tuple[DeletePod, ...]:
    """Pods that run for an attempt other than the newest of the current `stage`, e.g. of a node that came back; or for that one although it
    has ended: its Job may make pods that it had not made yet."""
    live = newest.number if newest is not None and newest.state not in ENDED else None
    return fast_delete([pod for pod in observed.pods if pod.live and (pod.stage, pod.attempt) != (stage, live)])


def delete_old_attempts(entries: tuple[StageStatus, ...], kept: int, observed: Observed) -> tuple[DeleteAttempt, ...]:
    """The newest attempt of each stage stays (it is current, or holds the stage's last words), and so do the last `kept` failed ones."""
    newest = {(number, entry.attempts) for number, entry in enumerate(entries, start=1)}
    failed = [each for each in attempt_deletions(observed) if (each.stage, each.attempt) not in newest]
    live = {(pod.stage, pod.attempt) for pod in observed.pods if pod.live}
    return tuple(each for each in failed[: len(failed) - kept if kept < len(failed) else 0] if (each.stage, each.attempt) not in live)


def attempt_deletions(observed: Observed) -> list[DeleteAttempt]:
    """Every attempt of which Jobs are there, the oldest first, as what would remove it."""
    found = sorted({(job.stage, job.attempt) for job in observed.jobs})
    return [
        DeleteAttempt(stage=stage, attempt=attempt, jobs=tuple((job.name, job.uid) for job in observed.jobs_of(stage, attempt)))
        for stage, attempt in found
    ]


def delete_queued_leftovers(entries: tuple[StageStatus, ...], observed: Observed) -> tuple[DeleteAttempt, ...]:
    """Suspended Jobs of attempts that have ended: admitted once more, they would run without anybody. One that has failed never is."""
    live = {(pod.stage, pod.attempt) for pod in observed.pods if pod.live}
    on = {
        (number, attempt.number)
        for number, entry in enumerate(entries, start=1)
        for attempt in entry.recent_attempts[:1]
        if attempt.state not in ENDED
    }
    waits = {(job.stage, job.attempt) for job in observed.jobs if job.suspended and not job.failed}
    return tuple(each for each in attempt_deletions(observed) if (each.stage, each.attempt) in waits - on - live)


def clean_up_finished(
    conditions: tuple[Condition, ...], ttl_seconds: int | None, observed: Observed, now: datetime
) -> tuple[tuple[CleanUp, ...], float | None]:
    """The clean-up of a finished training when its time is over, and the seconds until then."""
    ends = [each.last_transition_time for each in conditions if each.type in ("Complete", "Failed") and each.status == "True"]
    if ttl_seconds is None or not ends or not (observed.jobs or observed.preparations):
        return (), None
    if (left := ttl_seconds - seconds_since(ends[0], now)) > 0:
        return (), left
    return (CleanUp(attempts=tuple(attempt_deletions(observed)), preparations=preparation_deletions(observed)),), None
