"""Does a running attempt still move? The trainer declares the deadline of its phase, and its own watchdog is the first line.

Two signs: process 0 says itself that no step has come for longer than the deadline (its own clock on both sides), or process 0 says
nothing at all for that long; on a node that is not ready, half a minute without a word is enough. Silence alone proves little, for
the API server may have been away for either side (then nodes look NotReady for a while, too): it is written down first, and counts
when the Lease has still not been renewed some time later.
"""

from dataclasses import dataclass
from datetime import datetime

from lwm_operator.api.status import Attempt, FailureClass, RootCause, StaleLease
from lwm_operator.plan.timestamps import elapsed, seconds_since, stamp
from lwm_trainer.config import Progress

MARGIN_SECONDS = 60.0
"""What the trainer's own watchdog has beyond its deadline to do its work."""
CONFIRM_SECONDS = 60.0
LOST_SECONDS = 30.0
"""Process 0 renews its Lease every 10 s."""
LOST_CONFIRM_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HangCheck:
    attempt: Attempt
    cause: RootCause | None = None
    wait_seconds: float | None = None


def detect_hang(attempt: Attempt, report: Progress | None, renewed: str | None, now: datetime, *, lost: bool = False) -> HangCheck:
    """`renewed`: the Lease's renewTime; `lost`: a host's node is not ready. Without a report there is no deadline: nothing is judged."""
    if report is None or renewed is None:
        return HangCheck(attempt=attempt)
    limit = report.phase_deadline_seconds + MARGIN_SECONDS
    if report.idle_seconds > limit:
        said = (
            f"no step for {report.idle_seconds} s in phase {report.phase.value} (deadline {report.phase_deadline_seconds} s), at step "
            f"{report.step}, and its own watchdog did not end it"
        )
        return HangCheck(attempt=attempt, cause=RootCause(failure_class=FailureClass.HANG, reason="Hang", message=said))
    limit, confirm = (LOST_SECONDS, LOST_CONFIRM_SECONDS) if lost else (limit, CONFIRM_SECONDS)
    silent = seconds_since(renewed, now)
    if silent <= limit:
        return HangCheck(attempt=attempt.model_copy(update={"stale_lease": None}), wait_seconds=limit - silent + 1.0)
    if attempt.stale_lease is None or attempt.stale_lease.renew_time != renewed:
        noticed = StaleLease(since=stamp(now), renew_time=renewed)
        return HangCheck(attempt=attempt.model_copy(update={"stale_lease": noticed}), wait_seconds=confirm)
    if (left := confirm - elapsed(attempt.stale_lease.since, now)) > 0:
        return HangCheck(attempt=attempt, wait_seconds=left)
    said = f"host 0 has not renewed its Lease since {renewed}, at step {report.step} in phase {report.phase.value}"
    return HangCheck(attempt=attempt, cause=RootCause(failure_class=FailureClass.HANG, reason="LeaseSilent", message=said, host=0))
