"""How long to wait before the next attempt: not at all after progress, else 10 s doubling to 5 minutes."""

import hashlib

from lwm_operator.api.status import Attempt

FIRST_SECONDS = 10.0
MAX_SECONDS = 300.0
JITTER = 0.2


def fruitless(attempts: tuple[Attempt, ...]) -> int:
    """How many of the newest attempts (newest first) ended without a new commit."""
    count = 0
    for attempt in attempts:
        if attempt.committed_step > attempt.from_step:
            break
        count += 1
    return count


def delay(attempts: tuple[Attempt, ...], key: str) -> float:
    """Seconds from the newest attempt's end. The jitter follows from `key`: trainings that failed together do not return together."""
    failures = fruitless(attempts)
    if failures == 0:
        return 0.0
    seconds = min(FIRST_SECONDS * 2 ** (failures - 1), MAX_SECONDS)
    digest = hashlib.sha256(f"{key}/{failures}".encode()).digest()
    return float(seconds * (1 - JITTER * digest[0] / 255))
