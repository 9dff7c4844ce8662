"""The delay before the next attempt: none after progress, else 10 s doubling up to 5 minutes.

Disruptions are counted apart from failures, and the first few of them are not delayed.
"""

import hashlib

from lwm_operator.api.attempt_status import Attempt, AttemptState, FailureClass, RootCause
from lwm_operator.plan.failure.failure_classes import RULES
from lwm_operator.plan.reasons import LifecycleReason

FIRST_SECONDS = 10.0
MAX_SECONDS = 300.0
JITTER = 0.2


def count_without_progress(attempts: tuple[Attempt, ...], *, disruptions: bool) -> int:
    """How many of the newest attempts (newest first) ended by disruptions, or else by failures, since a new checkpoint."""
    count = 0
    for attempt in attempts:
        if attempt.committed_step > attempt.from_step or attempt.state == AttemptState.SUSPENDED:
            break
        count += _is_disruption(attempt.root_cause) == disruptions
    return count


def backoff_seconds(attempts: tuple[Attempt, ...], key: str) -> float:
    """Seconds from the end of the newest attempt to the next one.

    The jitter is derived from `key`, so that trainings that failed together do not return together.
    """
    cause = attempts[0].root_cause if attempts else None
    failures = count_without_progress(attempts, disruptions=_is_disruption(cause)) - _immediate_retries(cause)
    if failures <= 0:
        return 0.0
    seconds = min(FIRST_SECONDS * 2 ** (failures - 1), MAX_SECONDS)
    digest = hashlib.sha256(f"{key}/{failures}".encode()).digest()
    return float(seconds * (1 - JITTER * digest[0] / 255))


def _is_disruption(cause: RootCause | None) -> bool:
    """Whether the cause is delayed as a disruption.

    A placement timeout is not: two trainings that each hold half of a cluster must not return at the same time.
    """
    return cause is not None and cause.failure_class == FailureClass.DISRUPTION and cause.reason != LifecycleReason.PLACEMENT_TIMEOUT


def _immediate_retries(cause: RootCause | None) -> int:
    if cause is None or cause.reason == LifecycleReason.PLACEMENT_TIMEOUT:
        return 0
    return RULES[cause.failure_class].immediate_retries
