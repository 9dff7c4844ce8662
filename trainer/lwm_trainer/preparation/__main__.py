"""`python -m lwm_trainer.preparation`: one preparation worker. It reads a `PrepareConfig` and ends like a trainer process.

That is, with an exit code of the contract and a termination message; worker 0 names the prepared store in its own.
"""

import faulthandler
import os
import signal
import socket
import sys
import time
import traceback
from typing import NoReturn

from lwm_trainer.config import PROCESS_INDEX_VARIABLE, PROGRESS_SECONDS, ExitCode, Preparation, PrepareConfig
from lwm_trainer.preparation.preparation_report import PreparationReport, progress_line
from lwm_trainer.runtime.exit import leave
from lwm_trainer.runtime.exit_classification import judge
from lwm_trainer.runtime.progress import Renewer
from lwm_trainer.runtime.redaction import hidden
from lwm_trainer.runtime.startup import given, mounted, number


def main() -> NoReturn:
    """Run one worker and exit the process."""
    faulthandler.enable(all_threads=False)
    signal.signal(signal.SIGTERM, lambda *_: leave(ExitCode.SAVED_ON_REQUEST, "SIGTERM: shards that are whole stay"))
    config = mounted(PrepareConfig)
    worker = given(lambda: number(PROCESS_INDEX_VARIABLE, "this worker's index", config.workers))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    report = PreparationReport(_Log())
    renewer = Renewer(config.lease, socket.gethostname(), report.now)
    from lwm_trainer.preparation.worker import prepare

    try:
        prepared = prepare(config, worker, report)
    except BaseException as error:
        classification = judge(error, gang=False)
        if classification.unexpected:
            print(hidden(traceback.format_exc()), file=sys.stderr, end="", flush=True)
        leave(classification.code, classification.message, reason=classification.reason, before=renewer.close)
    message = f"data set {config.dataset.name}: {progress_line(report.now())}"
    leave(ExitCode.COMPLETE, message, prepared=prepared if worker == 0 else None, before=renewer.close)


class _Log:
    """Prints progress to standard error, at most as often as reports are sent."""

    def __init__(self) -> None:
        self._printed_at = 0.0

    def __call__(self, progress: Preparation) -> None:
        if time.monotonic() - self._printed_at >= PROGRESS_SECONDS:
            self._printed_at = time.monotonic()
            print(hidden(progress_line(progress)), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
