"""`python -m lwm_trainer`: run config in, exit code out."""

import faulthandler
import logging
import os
import traceback
from typing import NoReturn

from lwm_trainer import config
from lwm_trainer.config import ExitCode
from lwm_trainer.config.extras import require_extra
from lwm_trainer.runtime import console, sigterm, watchdog
from lwm_trainer.runtime.exit import leave
from lwm_trainer.runtime.phase_tracker import PhaseTracker
from lwm_trainer.runtime.progress import Reporter
from lwm_trainer.runtime.redaction import hidden
from lwm_trainer.runtime.startup import given, mounted, number
from lwm_trainer.storage import emulator


def main() -> NoReturn:
    """Read the run config, join the gang, train; the exit code says how it ended, the termination message says it in words."""
    require_extra("lwm-trainer", "trainer", "jax", "flax", "optax", "orbax")
    sigterm.hold()  # before anything starts a thread
    # Of the crashing thread only: a signal's handler cannot safely read the frames of threads that run on.
    faulthandler.enable(all_threads=False)
    run = mounted(config.RunConfig)
    index = given(lambda: process_index(run.gang))

    standing = PhaseTracker(run.hang)
    sigterm.watch(standing)
    watchdog.watch(standing, run.steps, coordinator=_coordinates(run, index))
    _attempt(run, index, standing)


def process_index(gang: config.Gang) -> int:
    """This host's number over all slices. Raises ValueError when Kubernetes (or whoever starts us) did not say it."""
    inside = number(config.PROCESS_INDEX_VARIABLE, "this host's index", gang.hosts_per_slice)
    index = number(config.SLICE_VARIABLE, "the index of this host's slice", gang.slices) if gang.slices > 1 else 0
    return index * gang.hosts_per_slice + inside


def _coordinates(run: config.RunConfig, index: int) -> bool:
    return index == 0 and run.gang.hosts > 1


def _attempt(run: config.RunConfig, index: int, standing: PhaseTracker) -> NoReturn:
    reporter = Reporter(run, standing) if index == 0 else None
    os.environ.setdefault("NNX_GRAPH_MODE", "false")
    for noisy in ("gcsfs", "gcsfs.credentials", "absl", "orbax"):  # hundreds of lines a process, none about us
        logging.getLogger(noisy).setLevel(logging.ERROR)
    emulator.prepare()
    # Only here: importing JAX takes seconds, in which a SIGTERM is heard and a wrong config has long been told.
    import jax

    from lwm_trainer.parallel import distributed
    from lwm_trainer.runtime.exit_classification import judge
    from lwm_trainer.train import train

    def close() -> None:
        if reporter is not None:
            reporter.close()

    try:
        distributed.join(run, index)
        final = train(run, standing, reporter)
        jax.distributed.shutdown()
    except BaseException as error:
        found = judge(error, gang=run.gang.hosts > 1)
        if found.unexpected:
            console.warn(hidden(traceback.format_exc().rstrip()))
        step = getattr(error, "step", standing.now().done)
        leave(found.code, found.message, reason=found.reason, step=step, coordinator=_coordinates(run, index), before=close)
    leave(ExitCode.COMPLETE, f"stage {run.stage} is complete at step {final.step}", step=final.step, final=final, before=close)


if __name__ == "__main__":
    main()
