"""The one way out of a process: write the termination message, then end at once."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from lwm_trainer.config import TERMINATION_PATH, ExitCode, FinalReport, Prepared, TerminationMessage
from lwm_trainer.runtime import console
from lwm_trainer.runtime.redaction import redact

COORDINATOR_DELAY_SECONDS = {ExitCode.SAVED_ON_REQUEST: 2.0, ExitCode.DIVERGED: 2.0, ExitCode.GATE_FAILED: 2.0, ExitCode.HANG: 10.0}
"""How long process 0 waits for the others to write their termination messages, where all exit for the same reason: JAX aborts them within
a fifth of a second after process 0 is gone."""

_MOST_BYTES = 4096  # the kubelet cuts a longer termination message, which would break the JSON

_exiting = threading.Lock()


def reason_of(code: ExitCode) -> str:
    """BAD_DATA to BadData."""
    return code.name.title().replace("_", "")


def exit_process(
    code: ExitCode,
    message: str,
    *,
    reason: str = "",
    step: int = 0,
    final: FinalReport | None = None,
    prepared: Prepared | None = None,
    coordinator: bool = False,
    before_exit: Callable[[], None] = lambda: None,
) -> NoReturn:
    """Write the termination message, call `before_exit`, end the process. A normal exit would wait in JAX's shutdown barrier for a minute.

    Any thread may call this. The first call decides; a later one blocks until the process ends.

    Args:
        reason: narrower than the code's own, such as BucketMissing.
        coordinator: this is process 0 of several.
    """
    if not _exiting.acquire(blocking=False):
        while True:
            time.sleep(3600)
    termination = TerminationMessage(
        code=int(code), reason=str(reason) or reason_of(code), message=redact(message), step=step, final=final, prepared=prepared
    )
    write_termination_message(termination)
    console.warn(json.dumps({"exit": termination.code, "reason": termination.reason, "message": termination.message}))
    before_exit()
    if coordinator:
        time.sleep(COORDINATOR_DELAY_SECONDS.get(code, 0))
    sys.stdout.flush()
    os._exit(int(code))


def write_termination_message(termination: TerminationMessage) -> None:
    """Write the message as JSON, shortened to what Kubernetes keeps. Never raises, because the process exits anyway."""
    try:
        text = _to_json(termination)
        # A character takes at most six bytes in JSON, so no more is cut than must be.
        while (excess := len(text.encode()) - _MOST_BYTES) > 0 and termination.message:
            termination = termination.model_copy(update={"message": termination.message[: -(excess // 6 + 1)]})
            text = _to_json(termination)
        Path(os.environ.get("LWM_TERMINATION_PATH", TERMINATION_PATH)).write_text(text, encoding="utf-8")
    except Exception as error:
        console.warn(f"termination message not written: {error}")


def _to_json(termination: TerminationMessage) -> str:
    return termination.model_dump_json(by_alias=True, exclude_none=True)
