"""Hang detection for a running attempt. The trainer declares the deadline of its phase, and its own watchdog acts first.

There are two signs. Process 0 reports that no step has completed for longer than the deadline (by its own clock at both ends); or process
0 has not renewed its Lease for that long. On a node that is not ready, 30 s without a renewal are enough. Silence alone is weak evidence,
because the API server may have been unreachable for either side, and nodes look NotReady then, too. It is therefore recorded first, and
counts only when the Lease has still not been renewed some time later.
"""

from dataclasses import dataclass
from datetime import datetime

from lwm_operator.api.attempt_status import Attempt, FailureClass, RootCause, StaleLease
from lwm_operator.plan.reasons import TrainerReason
from lwm_operator.plan.timestamps import seconds_since, since
from lwm_trainer.config import Progress

MARGIN_SECONDS = 60.0
"""Time beyond the deadline in which the trainer's own watchdog does its work."""
CONFIRM_SECONDS = 60.0
LOST_SECONDS = 30.0
"""Three missed renewals: process 0 renews its Lease every 10 s."""
LOST_CONFIRM_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HangCheck:
    """The attempt with its recorded silence, the cause when it hangs, and the seconds until the next check."""

    attempt: Attempt
    cause: RootCause | None = None
    wait_seconds: float | None = None


def detect_hang(attempt: Attempt, report: Progress | None, renewed: str | None, now: datetime, *, lost: bool = False) -> HangCheck:
    """Whether the attempt hangs. `renewed` is the renewTime of its Lease; `lost`: the node of a host is not ready.

    Without a report there is no deadline, so nothing is detected.
    """
    if report is None or renewed is None:
        return HangCheck(attempt=attempt)
    limit = report.phase_deadline_seconds + MARGIN_SECONDS
    if report.idle_seconds > limit:
        message = (
            f"no step for {report.idle_seconds} s in phase {report.phase.value} (deadline {report.phase_deadline_seconds} s), at step "
            f"{report.step}, and the trainer's own watchdog did not end it"
        )
        return HangCheck(attempt=attempt, cause=RootCause(failure_class=FailureClass.HANG, reason=TrainerReason.HANG, message=message))
    limit, confirm_seconds = (LOST_SECONDS, LOST_CONFIRM_SECONDS) if lost else (limit, CONFIRM_SECONDS)
    silent_seconds, until_plausible = seconds_since(renewed, now), float("inf")
    if silent_seconds < -limit:
        # Host 0's clock is far ahead of the API server's, so only the operator's own record tells for how long nothing was renewed.
        confirm_seconds, until_plausible = confirm_seconds + limit, 1.0 - limit - silent_seconds
    elif silent_seconds <= limit:
        return HangCheck(attempt=attempt.model_copy(update={"stale_lease": None}), wait_seconds=limit - silent_seconds + 1.0)
    known = attempt.stale_lease if attempt.stale_lease is not None and attempt.stale_lease.renew_time == renewed else None
    stale_lease = StaleLease(since=since(known.since if known is not None else None, now), renew_time=renewed)
    attempt = attempt.model_copy(update={"stale_lease": stale_lease})
    if (remaining := confirm_seconds - seconds_since(stale_lease.since, now)) > 0:
        return HangCheck(attempt=attempt, wait_seconds=min(remaining, until_plausible))
    message = f"host 0 has not renewed its Lease since {renewed}, at step {report.step} in phase {report.phase.value}"
    cause = RootCause(failure_class=FailureClass.HANG, reason=TrainerReason.LEASE_NOT_RENEWED, message=message, host=0)
    return HangCheck(attempt=attempt, cause=cause)
