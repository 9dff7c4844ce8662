"""SIGTERM before there is anything to save.

JAX's handler only sets a flag that is looked at between steps, and Python runs no handler while the main thread is inside XLA's
compiler; as process 1 of a container we would not even die of the signal. So it is blocked in every thread, and one thread waits for it.
"""

import signal
import threading

from lwm_trainer.config import ExitCode
from lwm_trainer.runtime.exit import leave
from lwm_trainer.runtime.phase_tracker import PhaseTracker

_LOOK_SECONDS = 0.2


def hold() -> None:
    """Block SIGTERM in this thread and all that it starts from now on; the kernel keeps one that comes meanwhile."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def watch(standing: PhaseTracker) -> None:
    """Start the thread: until training begins a SIGTERM ends the process, from then on this thread lets it through to JAX's handler."""
    threading.Thread(target=_run, args=(standing,), name="stop", daemon=True).start()


def _run(standing: PhaseTracker) -> None:
    while not standing.trains():
        if signal.sigtimedwait({signal.SIGTERM}, _LOOK_SECONDS) is None:
            continue
        if standing.trains():  # it came in the very moment, and is not lost: JAX's handler gets it as soon as it is let through
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            break
        leave(ExitCode.SAVED_ON_REQUEST, "SIGTERM before the first step: nothing new to save", step=standing.now().done)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Event().wait()  # the only thread to which the kernel can deliver it
