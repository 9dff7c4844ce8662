"""Classifies the exception that ended a process: exit code, reason and one line."""

import errno
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lwm_trainer.config import ErrorReason, ExitCode
from lwm_trainer.runtime.accelerator_errors import is_device_fault, is_program_fault
from lwm_trainer.runtime.exit import reason_of

_PACKAGE = Path(__file__).parents[1]
_DENIED_STATUS = {401, 403}
_TRANSIENT_STATUS = {404, 408, 429, *range(500, 600)}
"""404 too: storage was there when the attempt began. If it is gone for good, the checks at the start of the next attempt say so."""


@dataclass(frozen=True, slots=True)
class ExitClassification:
    """How the process exits."""

    code: ExitCode
    message: str
    reason: str
    unexpected: bool
    """Whether the whole traceback is worth printing."""


def classify_exception(error: BaseException, *, gang: bool) -> ExitClassification:
    """An exception with a `code` of its own says itself what it means; any other is classified by type and text.

    `gang`: there are peers that can be lost.
    """
    code = getattr(error, "code", None)
    if isinstance(code, ExitCode):
        return ExitClassification(code, str(error), getattr(error, "reason", "") or reason_of(code), unexpected=False)
    code, reason = _classify_foreign(error, gang)
    return ExitClassification(code, f"{_summary(error)}{_location(error)}", reason or reason_of(code), unexpected=True)


def _classify_foreign(error: BaseException, gang: bool) -> tuple[ExitCode, str]:
    causes = list(_causes(error))
    # First of all: what a broken device makes of other parts follows from it.
    if any(isinstance(cause, RuntimeError) and is_device_fault(str(cause)) for cause in causes):
        return ExitCode.DEVICE_FAULT, ""
    for cause in causes:
        if (failure := _storage_failure(cause)) is not None:
            return failure
    if isinstance(error, _imported("jax.errors", "JaxRuntimeError")) and gang and not is_program_fault(str(error)):
        return ExitCode.PEER_LOST, ""
    if isinstance(error, OSError):
        return ExitCode.TRANSIENT, ""
    return ExitCode.UNCAUGHT_EXCEPTION, ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _storage_failure(error: BaseException) -> tuple[ExitCode, str] | None:
    """Code and reason of a failure of storage. Each library between us and the object store reports the store's answer in its own way."""
    if (number := _errno(error)) == errno.ENOSPC:
        return ExitCode.TRANSIENT, ErrorReason.STORAGE_FULL
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ExitCode.STORAGE_DENIED, ErrorReason.CLAIM_DENIED
    status = _http_status(error)
    refused = _imported("google.auth.exceptions", "DefaultCredentialsError", "RefreshError")
    if status in _DENIED_STATUS or (isinstance(error, refused) and not getattr(error, "retryable", False)):
        return ExitCode.STORAGE_DENIED, ErrorReason.BUCKET_DENIED
    no_answer = (
        ConnectionError,
        TimeoutError,
        *_imported("aiohttp", "ClientConnectionError"),
        *_imported("requests", "RequestException"),
        *_imported("google.auth.exceptions", "TransportError", "RefreshError"),
    )
    if status in _TRANSIENT_STATUS or isinstance(error, no_answer):
        return ExitCode.TRANSIENT, ErrorReason.STORAGE_UNAVAILABLE
    return None


def _imported(module: str, *names: str) -> tuple[type, ...]:
    """Exceptions of a library; none when it was never imported, since there is no time to import anything once a peer is lost."""
    library = sys.modules.get(module)
    return tuple(getattr(library, name) for name in names) if library is not None else ()


def _errno(error: BaseException) -> int | None:
    """The system's error number, in an exception of Python or of TensorStore."""
    if isinstance(error, OSError):
        return error.errno
    match = re.search(r"\[os_error_code='(\d+)'\]", str(error)) if isinstance(error, ValueError) else None
    return int(match[1]) if match else None


def _http_status(error: BaseException) -> int | None:
    """The HTTP status that the object store answered; 503 where no answer came."""
    if isinstance(error, _imported("jax.errors", "JaxRuntimeError")):
        return None  # its messages look like TensorStore's, but are about the gang
    for name in ("code", "status"):  # gcsfs and Google's client; aiohttp
        if str(value := getattr(error, name, None)).isdigit():
            return int(str(value))
    text = str(error)
    if isinstance(error, OSError) and text.startswith("Forbidden: "):  # gcsfs
        return 403
    if isinstance(error, ValueError):  # TensorStore
        if match := re.search(r"\[http_response_code='(\d+)'\]", text):
            return int(match[1])
        if text.startswith(("PERMISSION_DENIED: ", "UNAUTHENTICATED: ")):
            return 403
        if text.startswith(("UNAVAILABLE: ", "DEADLINE_EXCEEDED: ", "ABORTED: ")):
            return 503
    return None


def _summary(error: BaseException) -> str:
    first, *_ = f"{type(error).__name__}: {error}".strip().splitlines()
    return first


def _location(error: BaseException) -> str:
    """The innermost frame of the trainer's own code: ` at lwm_trainer/step/global_batch.py:33 batch`."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(_PACKAGE)]
    if not own:
        return ""
    last = own[-1]
    return f" at {Path(last.filename).relative_to(_PACKAGE.parent)}:{last.lineno} {last.name}"
