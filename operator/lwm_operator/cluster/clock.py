"""The API server's time: the Date of its last response plus the time since then on the monotonic clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SLACK_SECONDS = 2.0


class ServerClock:
    """`monotonic` returns seconds that only grow. Until the first answer the time is this machine's own."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._server_time: datetime | None = None
        self._set_at = 0.0

    def set(self, date: str | None) -> None:
        """Take the header Date of an answer (RFC 9110, whole seconds, rounded down); one that cannot be parsed is ignored."""
        try:
            server_time = parsedate_to_datetime(date or "").astimezone(UTC)
        except ValueError:
            return
        # The header is rounded down and was under way: as long as that explains the difference, the clock runs on undisturbed.
        if self._server_time is None or not 0 <= (self.now() - server_time).total_seconds() < SLACK_SECONDS:
            self._server_time, self._set_at = server_time, self._monotonic()

    def now(self) -> datetime:
        if self._server_time is None:
            return datetime.now(UTC)
        return self._server_time + timedelta(seconds=self._monotonic() - self._set_at)
