"""Instants as the API writes them: RFC 3339, UTC; ours in whole seconds."""

from datetime import UTC, datetime

FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(FORMAT)


def parse(text: str) -> datetime:
    return datetime.fromisoformat(text)


def seconds_since(text: str | None, now: datetime) -> float:
    """Seconds from the instant to `now`; infinite when there is none."""
    return float("inf") if text is None else (now - parse(text)).total_seconds()
