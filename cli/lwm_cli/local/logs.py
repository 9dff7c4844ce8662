"""The operator's log in local mode: a file beside the status, so that the terminal shows the training."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Append the reconciler's log to the file, a JSON object a line. Raises OSError."""
    with path.open("a", buffering=1, encoding="utf-8") as file:
        structlog.configure(
            processors=[
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.WriteLoggerFactory(file=file),
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            structlog.reset_defaults()
