"""How long to wait before the next attempt: not at all after progress, else 10 s doubling to 5 minutes."""

import hashlib

from lwm_operator.api.status import Attempt, AttemptState, FailureClass

FIRST_SECONDS = 10.0
MAX_SECONDS = 300.0
JITTER = 0.2

PLACEMENT_TIMEOUT = "PlacementTimeout"


def count_failures_without_progress(attempts: tuple[Attempt, ...]) -> int:
    """How many of the newest attempts (newest first) failed without a new commit; disruptions are nobody's failure.

    An attempt that gave its nodes back counts: two trainings that hold half a cluster each must not return together.
    """
    count = 0
    for attempt in attempts:
        if attempt.committed_step > attempt.from_step or attempt.state == AttemptState.SUSPENDED:
            break
        cause = attempt.root_cause
        disrupted = cause is not None and cause.failure_class == FailureClass.DISRUPTION and cause.reason != PLACEMENT_TIMEOUT
        count += 0 if disrupted else 1
    return count


def backoff_seconds(attempts: tuple[Attempt, ...], key: str) -> float:
    """Seconds from the newest attempt's end. The jitter follows from `key`: trainings that failed together do not return together.

    The first failure of a host or its surroundings costs nothing: the next attempt usually lands elsewhere.
    """
    cause = attempts[0].root_cause if attempts else None
    if cause is not None and cause.failure_class == FailureClass.DISRUPTION and cause.reason != PLACEMENT_TIMEOUT:
        return 0.0
    failures = count_failures_without_progress(attempts) - (1 if cause is not None and cause.failure_class == FailureClass.INFRA else 0)
    if failures <= 0:
        return 0.0
    seconds = min(FIRST_SECONDS * 2 ** (failures - 1), MAX_SECONDS)
    digest = hashlib.sha256(f"{key}/{failures}".encode()).digest()
    return float(seconds * (1 - JITTER * digest[0] / 255))
