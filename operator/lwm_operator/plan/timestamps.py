"""Timestamps as the API writes them: RFC 3339 in UTC; the operator's own have whole seconds."""

from datetime import UTC, datetime

CLOCK_SECONDS = 5.0
"""The tolerance between synchronized clocks, including the rounding to whole seconds."""

FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(FORMAT)


def parse(text: str) -> datetime:
    return datetime.fromisoformat(text)


def seconds_since(text: str | None, now: datetime) -> float:
    """Seconds from the timestamp to `now`; infinite for None."""
    return float("inf") if text is None else (now - parse(text)).total_seconds()


def elapsed(text: str | None, now: datetime) -> float:
    """As `seconds_since`, for the operator's own timestamps: one in the future was written before the clock was set back, so it is past."""
    seconds = seconds_since(text, now)
    return float("inf") if seconds < -CLOCK_SECONDS else seconds


def since(recorded: str | None, now: datetime) -> str:
    """When something began that still goes on: as recorded, or `now` for the first time or when the clock was set back since then."""
    return stamp(now) if recorded is None or seconds_since(recorded, now) < -CLOCK_SECONDS else recorded
