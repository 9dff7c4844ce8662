"""`python -m lwm_trainer`: run config in, exit code out."""

import faulthandler
import logging
import os
import traceback
from typing import NoReturn

from lwm_trainer import config
from lwm_trainer.config import CONFIG_PATH, TERMINATION_PATH, ExitCode
from lwm_trainer.config.command_line import parse_no_options
from lwm_trainer.config.extras import require_extra
from lwm_trainer.runtime import console, sigterm, watchdog
from lwm_trainer.runtime.exit import exit_process
from lwm_trainer.runtime.phase_tracker import PhaseTracker
from lwm_trainer.runtime.progress import ProgressReporter
from lwm_trainer.runtime.redaction import redact
from lwm_trainer.runtime.start_line import print_start_line
from lwm_trainer.runtime.startup import exit_on_value_error, read_index, read_mounted_config
from lwm_trainer.storage import emulator

HELP = f"""The LWM trainer: one process per host runs one attempt of one stage.
It reads these environment variables, which the operator and Kubernetes set in a pod:

  LWM_CONFIG            run config, a JSON file (default: {CONFIG_PATH})
  JOB_COMPLETION_INDEX  index of this host in its slice, from 0 (required)
  LWM_SLICE             index of this host's slice, from 0 (required with several slices)
  LWM_TERMINATION_PATH  file for the termination message (default: {TERMINATION_PATH})
  LWM_REPORT_PATH       file for the reports of process 0 outside Kubernetes (default: none, they go to its Lease)
  LWM_HIDDEN_VARIABLES  variables whose values are redacted in messages, separated by commas

Exit codes, besides 1 for a missing extra:

{chr(10).join(f"  {code.value:<3} {code.name.lower().replace('_', ' ')}" for code in ExitCode)}"""

NOISY_LOGGERS = ("gcsfs", "gcsfs.credentials", "absl", "orbax")
"""Each would print hundreds of lines a process that say nothing about the training."""


def main() -> NoReturn:
    """Read the run config, join the gang, train. The exit code and the termination message say how it ended."""
    parse_no_options("lwm-trainer", HELP)
    require_extra("lwm-trainer", "trainer", "jax", "flax", "optax", "orbax")
    sigterm.block()  # before anything starts a thread
    # The crashing thread only, because a signal handler cannot safely read the frames of threads that are running.
    faulthandler.enable(all_threads=False)
    run = read_mounted_config(config.RunConfig)
    index = exit_on_value_error(lambda: process_index(run.gang))

    print_start_line(run, index)

    tracker = PhaseTracker(run.hang)
    sigterm.start(tracker)
    watchdog.start(tracker, run.steps, coordinator=_is_coordinator(run, index))
    _run_attempt(run, index, tracker)


def process_index(gang: config.Gang) -> int:
    """This host's index over all slices. Raises ValueError when Kubernetes (or whoever starts the process) has not set it."""
    host = read_index(config.PROCESS_INDEX_VARIABLE, "this host's index", gang.hosts_per_slice)
    tpu_slice = read_index(config.SLICE_VARIABLE, "the index of this host's slice", gang.slices) if gang.slices > 1 else 0
    return tpu_slice * gang.hosts_per_slice + host


def _is_coordinator(run: config.RunConfig, index: int) -> bool:
    return index == 0 and run.gang.hosts > 1


def _run_attempt(run: config.RunConfig, index: int, tracker: PhaseTracker) -> NoReturn:
    reporter = ProgressReporter(run, tracker) if index == 0 else None
    os.environ.setdefault("NNX_GRAPH_MODE", "false")
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    emulator.configure_clients()
    # Imported late: JAX takes seconds to import, and by now a SIGTERM is answered and a wrong config has been reported.
    import jax

    from lwm_trainer.parallel import distributed
    from lwm_trainer.runtime.exit_classification import classify_exception
    from lwm_trainer.train import train

    def close() -> None:
        if reporter is not None:
            reporter.close()

    try:
        distributed.join(run, index)
        final = train(run, tracker, reporter)
        jax.distributed.shutdown()
    except BaseException as error:
        cause = classify_exception(error, gang=run.gang.hosts > 1)
        if cause.unexpected:
            console.warn(redact(traceback.format_exc().rstrip()))
        step = getattr(error, "step", tracker.snapshot().steps_done)
        coordinator = _is_coordinator(run, index)
        exit_process(cause.code, cause.message, reason=cause.reason, step=step, coordinator=coordinator, before_exit=close)
    message = f"stage {run.stage} is complete at step {final.step}"
    exit_process(ExitCode.COMPLETE, message, step=final.step, final=final, before_exit=close)


if __name__ == "__main__":
    main()
