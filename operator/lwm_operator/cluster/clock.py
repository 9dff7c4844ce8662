"""The time as the API server has it: what its last answer said, and what has passed since by a clock that nobody sets."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SLACK_SECONDS = 2.0


class ServerClock:
    """`monotonic` gives seconds that only grow. Until the first answer it is this machine's own clock."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._said: datetime | None = None
        self._at = 0.0

    def set(self, date: str | None) -> None:
        """From the header Date of an answer (RFC 9110, whole seconds, rounded down); one that cannot be read is passed over."""
        try:
            said = parsedate_to_datetime(date or "")
        except ValueError:
            return
        said = said.astimezone(UTC)
        # Rounded down, and a moment under way: as long as that explains the difference, the clock runs on undisturbed.
        if self._said is None or not 0 <= (self.now() - said).total_seconds() < SLACK_SECONDS:
            self._said, self._at = said, self._monotonic()

    def now(self) -> datetime:
        if self._said is None:
            return datetime.now(UTC)
        return self._said + timedelta(seconds=self._monotonic() - self._at)
