"""`python -m lwm_trainer.preparation`: one preparation worker. It reads a `PrepareConfig` and ends like a trainer process.

That is, with an exit code of the contract and a termination message; worker 0 names the prepared store in its own.
"""

import faulthandler
import os
import socket
import time
import traceback
from typing import NoReturn

from lwm_trainer.config import PROCESS_INDEX_VARIABLE, PROGRESS_SECONDS, ExitCode, Preparation, PrepareConfig
from lwm_trainer.preparation.preparation_report import PreparationReport, progress_line
from lwm_trainer.runtime import console, sigterm
from lwm_trainer.runtime.exit import exit_process
from lwm_trainer.runtime.exit_classification import classify_exception
from lwm_trainer.runtime.progress import LeaseRenewer
from lwm_trainer.runtime.redaction import redact
from lwm_trainer.runtime.startup import exit_on_value_error, read_index, read_mounted_config


def main() -> NoReturn:
    """Run one worker and exit the process."""
    faulthandler.enable(all_threads=False)
    sigterm.exit_at_once("SIGTERM: shards that are complete stay")
    config = read_mounted_config(PrepareConfig)
    worker = exit_on_value_error(lambda: read_index(PROCESS_INDEX_VARIABLE, "this worker's index", config.workers))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    report = PreparationReport(_Log())
    renewer = LeaseRenewer(config.lease, socket.gethostname(), report.now)
    from lwm_trainer.preparation.worker import prepare

    try:
        prepared = prepare(config, worker, report)
    except BaseException as error:
        classification = classify_exception(error, gang=False)
        if classification.unexpected:
            console.warn(redact(traceback.format_exc().rstrip()))
        exit_process(classification.code, classification.message, reason=classification.reason, before_exit=renewer.close)
    message = f"data set {config.dataset.name}: {progress_line(report.now())}"
    exit_process(ExitCode.COMPLETE, message, prepared=prepared if worker == 0 else None, before_exit=renewer.close)


class _Log:
    """Prints progress to standard error, at most as often as reports are sent."""

    def __init__(self) -> None:
        self._printed_at = 0.0

    def __call__(self, progress: Preparation) -> None:
        if time.monotonic() - self._printed_at >= PROGRESS_SECONDS:
            self._printed_at = time.monotonic()
            console.warn(redact(progress_line(progress)))


if __name__ == "__main__":
    main()
