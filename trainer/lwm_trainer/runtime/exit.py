"""The one way out of the process: last words, then gone at once."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from lwm_trainer.config import ExitCode, FinalReport, Prepared, TerminationMessage
from lwm_trainer.runtime import console
from lwm_trainer.runtime.progress import write_last_words
from lwm_trainer.runtime.redaction import hidden

COORDINATOR_STAYS = {ExitCode.SAVED_ON_REQUEST: 2.0, ExitCode.DIVERGED: 2.0, ExitCode.HANG: 10.0}
"""Seconds for which process 0 lets the others say their last words too, where all end for one reason: JAX aborts them within a fifth of
a second when it goes."""

_leaving = threading.Lock()


def reason_of(code: ExitCode) -> str:
    """BAD_DATA to BadData."""
    return code.name.title().replace("_", "")


def leave(
    code: ExitCode,
    message: str,
    *,
    reason: str = "",
    step: int = 0,
    final: FinalReport | None = None,
    prepared: Prepared | None = None,
    coordinator: bool = False,
    before: Callable[[], None] = lambda: None,
) -> NoReturn:
    """Write the last words, call `before`, end the process. A normal exit would sit in JAX's shutdown barrier for a minute.

    Any thread may leave: the first one decides, and one that comes later waits here for its end. `coordinator`: this is process 0 of
    several.
    """
    if not _leaving.acquire(blocking=False):
        while True:
            time.sleep(3600)
    words = TerminationMessage(
        code=int(code), reason=reason or reason_of(code), message=hidden(message), step=step, final=final, prepared=prepared
    )
    write_last_words(words)
    console.warn(json.dumps({"exit": words.code, "reason": words.reason, "message": words.message}))
    before()
    if coordinator:
        time.sleep(COORDINATOR_STAYS.get(code, 0))
    sys.stdout.flush()
    os._exit(int(code))
