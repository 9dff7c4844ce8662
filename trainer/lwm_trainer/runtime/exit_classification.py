"""What an exception that ended the stage means: exit code, reason and one line."""

import errno
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lwm_trainer.config import ExitCode
from lwm_trainer.runtime.exit import reason_of

_PACKAGE = Path(__file__).parents[1]
_DENIED_STATUS = {401, 403}
_TRANSIENT_STATUS = {404, 408, 429, *range(500, 600)}
"""404 too: storage was there when the attempt began, and what is gone for good is named at the start of the next one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    code: ExitCode
    message: str
    reason: str
    unexpected: bool
    """Whether the whole traceback is worth printing."""


def judge(error: BaseException, *, gang: bool) -> Verdict:
    """`gang`: there are peers that can be lost."""
    code = getattr(error, "code", None)
    if isinstance(code, ExitCode):
        return Verdict(code, str(error), getattr(error, "reason", "") or reason_of(code), unexpected=False)
    code, reason = _outside(error, gang)
    return Verdict(code, f"{_line(error)}{_place(error)}", reason or reason_of(code), unexpected=True)


def _outside(error: BaseException, gang: bool) -> tuple[ExitCode, str]:
    for each in _chain(error):
        if (found := _storage(each)) is not None:
            return found
    if isinstance(error, _loaded("jax.errors", "JaxRuntimeError")) and gang and not _own_fault(str(error)):
        return ExitCode.PEER_LOST, ""
    if isinstance(error, OSError):
        return ExitCode.TRANSIENT, ""
    return ExitCode.UNCAUGHT, ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _storage(error: BaseException) -> tuple[ExitCode, str] | None:
    """Of the libraries between us and the object store, each has its own way to say what the store answered."""
    if (number := _errno(error)) == errno.ENOSPC:
        return ExitCode.TRANSIENT, "StorageFull"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ExitCode.STORAGE_DENIED, "ClaimDenied"
    status = _http_status(error)
    refused = _loaded("google.auth.exceptions", "DefaultCredentialsError", "RefreshError")
    if status in _DENIED_STATUS or (isinstance(error, refused) and not getattr(error, "retryable", False)):
        return ExitCode.STORAGE_DENIED, "BucketDenied"
    no_answer = (
        ConnectionError,
        TimeoutError,
        *_loaded("aiohttp", "ClientConnectionError"),
        *_loaded("requests", "RequestException"),
        *_loaded("google.auth.exceptions", "TransportError", "RefreshError"),
    )
    if status in _TRANSIENT_STATUS or isinstance(error, no_answer):
        return ExitCode.TRANSIENT, "StorageUnavailable"
    return None


def _loaded(module: str, *names: str) -> tuple[type, ...]:
    """Exceptions of a library, none when it was never imported: there is no time to import anything when a peer is gone."""
    found = sys.modules.get(module)
    return tuple(getattr(found, name) for name in names) if found is not None else ()


def _errno(error: BaseException) -> int | None:
    """The system's error number, of Python or of TensorStore."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\[os_error_code='(\d+)'\]", str(error)) if isinstance(error, ValueError) else None
    return int(found[1]) if found else None


def _http_status(error: BaseException) -> int | None:
    """What the object store answered; of an answer that never came, 503."""
    if isinstance(error, _loaded("jax.errors", "JaxRuntimeError")):
        return None  # its texts look like TensorStore's, but speak of the gang
    for name in ("code", "status"):  # gcsfs and Google's client; aiohttp
        if str(value := getattr(error, name, None)).isdigit():
            return int(str(value))
    text = str(error)
    if isinstance(error, OSError) and text.startswith("Forbidden: "):  # gcsfs
        return 403
    if isinstance(error, ValueError):  # TensorStore
        if found := re.search(r"\[http_response_code='(\d+)'\]", text):
            return int(found[1])
        if text.startswith(("PERMISSION_DENIED: ", "UNAUTHENTICATED: ")):
            return 403
        if text.startswith(("UNAVAILABLE: ", "DEADLINE_EXCEEDED: ", "ABORTED: ")):
            return 503
    return None


def _own_fault(text: str) -> bool:
    """Whether a runtime error is this process's own (memory, a program that makes no sense) and not the loss of a peer."""
    return any(status in text for status in ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "UNIMPLEMENTED", "FAILED_PRECONDITION"))


def _line(error: BaseException) -> str:
    first, *_ = f"{type(error).__name__}: {error}".strip().splitlines()
    return first


def _place(error: BaseException) -> str:
    """The innermost frame of our own code: ` at lwm_trainer/step/global_batch.py:33 batch`."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(_PACKAGE)]
    if not own:
        return ""
    last = own[-1]
    return f" at {Path(last.filename).relative_to(_PACKAGE.parent)}:{last.lineno} {last.name}"
