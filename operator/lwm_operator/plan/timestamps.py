"""Instants as the API writes them: RFC 3339, UTC; ours in whole seconds."""

from datetime import UTC, datetime

CLOCK_SECONDS = 5.0
"""By how much clocks that agree may differ, and stamps of whole seconds with them."""

FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(FORMAT)


def parse(text: str) -> datetime:
    return datetime.fromisoformat(text)


def seconds_since(text: str | None, now: datetime) -> float:
    """Seconds from the instant to `now`; infinite when there is none."""
    return float("inf") if text is None else (now - parse(text)).total_seconds()


def elapsed(text: str | None, now: datetime) -> float:
    """As `seconds_since`, of a stamp of our own: one that lies in the future was made before a clock was set back, and is long past."""
    seconds = seconds_since(text, now)
    return float("inf") if seconds < -CLOCK_SECONDS else seconds
