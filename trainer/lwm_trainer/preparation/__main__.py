"""`python -m lwm_trainer.preparation`: a `PrepareConfig` in, exit code and last words out, as of the trainer."""

import faulthandler
import os
import signal
import socket
import sys
import time
import traceback
from typing import NoReturn

from lwm_trainer.config import PROCESS_INDEX_VARIABLE, PROGRESS_SECONDS, ExitCode, Preparation, PrepareConfig
from lwm_trainer.preparation.preparation_report import Report, told
from lwm_trainer.runtime.exit import leave
from lwm_trainer.runtime.exit_classification import judge
from lwm_trainer.runtime.progress import Renewer
from lwm_trainer.runtime.redaction import hidden
from lwm_trainer.runtime.startup import given, mounted, number


def main() -> NoReturn:
    """One worker. Its last words are, of worker 0 that is done, the store."""
    faulthandler.enable(all_threads=False)
    signal.signal(signal.SIGTERM, lambda *_: leave(ExitCode.SAVED_ON_REQUEST, "SIGTERM: shards that are whole stay"))
    config = mounted(PrepareConfig)
    worker = given(lambda: number(PROCESS_INDEX_VARIABLE, "this worker's index", config.workers))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    report = Report(_Log())
    renewer = Renewer(config.lease, socket.gethostname(), report.now)
    from lwm_trainer.preparation.worker import prepare

    try:
        prepared = prepare(config, worker, report)
    except BaseException as error:
        found = judge(error, gang=False)
        if found.unexpected:
            print(hidden(traceback.format_exc()), file=sys.stderr, end="", flush=True)
        leave(found.code, found.message, reason=found.reason, before=renewer.close)
    said = f"data set {config.dataset.name}: {told(report.now())}"
    leave(ExitCode.COMPLETE, said, prepared=prepared if worker == 0 else None, before=renewer.close)


class _Log:
    """A line on standard error, not more often than reports are sent."""

    def __init__(self) -> None:
        self._told = 0.0

    def __call__(self, now: Preparation) -> None:
        if time.monotonic() - self._told >= PROGRESS_SECONDS:
            self._told = time.monotonic()
            print(hidden(told(now)), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
