"""SIGTERM, from the first line of a process to its last: how it is received, agreed on by the gang, and answered.

A training answers it in two ways:

1. Before the first step there is nothing to save, so a thread exits the process at once. JAX's handler would not do: it only sets a flag
   that is read between steps, Python runs no handler while the main thread is inside XLA's compiler, and as process 1 of a container we
   would not even die of the signal. So the signal is blocked in every thread, and one thread waits for it.
2. Once training has begun, the thread lets the signal through to JAX's handler. `StopChecks.stop_requested` is true at the same check in
   every process; `train` then saves the last step and raises `SavedOnRequest`, which becomes exit code 81.

A preparation worker exits at once: whatever shards it has written are complete.
"""

import signal
import threading

from lwm_trainer.config import ExitCode
from lwm_trainer.runtime.exit import exit_process
from lwm_trainer.runtime.phase_tracker import PhaseTracker

_POLL_SECONDS = 0.2


class SavedOnRequest(Exception):  # noqa: N818 - an ending, not an error
    """SIGTERM came, and the state is saved."""

    code = ExitCode.SAVED_ON_REQUEST


def block() -> None:
    """Block SIGTERM in this thread and in all that it starts from now on; the kernel keeps a signal that arrives meanwhile."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def start(tracker: PhaseTracker) -> None:
    """Start the thread that answers SIGTERM until training begins, and lets it through to JAX's handler from then on."""
    threading.Thread(target=_run, args=(tracker,), name="sigterm", daemon=True).start()


class StopChecks:
    """The checks of an attempt for SIGTERM: after every step and before every batch of a validation, equally many in every process."""

    def __init__(self) -> None:
        self._count = 0

    def stop_requested(self) -> bool:
        """Whether SIGTERM has reached any process of the gang: true at the same check in all of them, and at that one only."""
        from jax.experimental import multihost_utils

        self._count += 1
        return bool(multihost_utils.reached_preemption_sync_point(self._count))


def exit_at_once(message: str) -> None:
    """Install a handler that exits the process with `message`, for one that has nothing to save."""
    signal.signal(signal.SIGTERM, lambda *_: exit_process(ExitCode.SAVED_ON_REQUEST, message))


def _run(tracker: PhaseTracker) -> None:
    while not tracker.training_started():
        if signal.sigtimedwait({signal.SIGTERM}, _POLL_SECONDS) is None:
            continue
        if tracker.training_started():  # it came in that very moment: send it again, so that JAX's handler gets it once it is unblocked
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            break
        step = tracker.snapshot().steps_done
        exit_process(ExitCode.SAVED_ON_REQUEST, "SIGTERM before the first step: nothing new to save", step=step)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Event().wait()  # the only thread to which the kernel can deliver the signal
