"""The delay before the next attempt: none after progress, else 10 s doubling up to 5 minutes."""

import hashlib

from lwm_operator.api.status import Attempt, AttemptState, RootCause
from lwm_operator.plan.failure.failure_classes import RULES
from lwm_operator.plan.reasons import LifecycleReason

FIRST_SECONDS = 10.0
MAX_SECONDS = 300.0
JITTER = 0.2


def count_failures_without_progress(attempts: tuple[Attempt, ...]) -> int:
    """How many of the newest attempts (newest first) failed without a new checkpoint; disruptions do not count.

    An attempt that gave its nodes back after the placement timeout counts: two trainings that each hold half of a cluster must not return
    at the same time.
    """
    count = 0
    for attempt in attempts:
        if attempt.committed_step > attempt.from_step or attempt.state == AttemptState.SUSPENDED:
            break
        cause = attempt.root_cause
        count += 0 if cause is not None and _is_immediate(cause) else 1
    return count


def backoff_seconds(attempts: tuple[Attempt, ...], key: str) -> float:
    """Seconds from the end of the newest attempt to the next one.

    The jitter is derived from `key`, so that trainings that failed together do not return together.
    """
    cause = attempts[0].root_cause if attempts else None
    if cause is not None and _is_immediate(cause):
        return 0.0
    failures = count_failures_without_progress(attempts) - (RULES[cause.failure_class].immediate_retries or 0 if cause is not None else 0)
    if failures <= 0:
        return 0.0
    seconds = min(FIRST_SECONDS * 2 ** (failures - 1), MAX_SECONDS)
    digest = hashlib.sha256(f"{key}/{failures}".encode()).digest()
    return float(seconds * (1 - JITTER * digest[0] / 255))


def _is_immediate(cause: RootCause) -> bool:
    """Whether the cause is always retried without a delay. A placement timeout is a disruption that is not."""
    return RULES[cause.failure_class].immediate_retries is None and cause.reason != LifecycleReason.PLACEMENT_TIMEOUT
