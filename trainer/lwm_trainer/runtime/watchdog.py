"""Ends a process that hangs. Every process of the gang has its own watchdog, so that a hang does not hold its machines for ever.

It runs in a thread. A C extension that never releases the interpreter's lock stops the watchdog too; then the Lease is no longer renewed,
which the operator sees.
"""

import faulthandler
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from lwm_trainer.config import ExitCode
from lwm_trainer.runtime.exit import exit_process
from lwm_trainer.runtime.phase_tracker import PhaseSnapshot, PhaseTracker

_POLL_SECONDS = 1.0
_PACKAGE = Path(__file__).parents[1]
_FRAMES = 4


def start(tracker: PhaseTracker, steps: int, *, coordinator: bool) -> None:
    """Start the thread. `coordinator` as in `exit_process`."""
    threading.Thread(target=_run, args=(tracker, steps, coordinator), name="watchdog", daemon=True).start()


def _run(tracker: PhaseTracker, steps: int, coordinator: bool) -> None:
    while not is_hang(snapshot := tracker.snapshot()):
        time.sleep(_POLL_SECONDS)
    faulthandler.dump_traceback(all_threads=True)
    message = describe_hang(snapshot, steps, main_thread_frames())
    exit_process(ExitCode.HANG, message, step=snapshot.steps_dispatched, coordinator=coordinator)


def is_hang(snapshot: PhaseSnapshot) -> bool:
    """Whether the phase has gone without a new step for longer than its deadline."""
    return snapshot.idle_seconds > snapshot.deadline_seconds


def describe_hang(snapshot: PhaseSnapshot, steps: int, frames: str) -> str:
    """One line: phase, time without progress, steps, and where the main thread is."""
    return (
        f"{snapshot.phase}: nothing new for {snapshot.idle_seconds:.0f} s, longer than the {snapshot.deadline_seconds} s allowed, with "
        f"{snapshot.steps_done} of {steps} steps done and {snapshot.steps_dispatched} begun; the main thread is in {frames}"
    )


def main_thread_frames() -> str:
    """The innermost frames of the main thread, innermost first: `lwm_trainer/step/x.py:33 f < lwm_trainer/train.py:80 train`."""
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)
    frames: list[str] = []
    while frame is not None and len(frames) < _FRAMES:
        frames.append(f"{_short_path(frame.f_code.co_filename)}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(frames)


def _short_path(path: str) -> str:
    """The trainer's own files from the package on, such as lwm_trainer/step/global_batch.py; others with their folder."""
    file = Path(path)
    return str(file.relative_to(_PACKAGE.parent) if file.is_relative_to(_PACKAGE) else Path(*file.parts[-2:]))
