"""Ends a process that hangs, in every process of the gang: a hang that nobody ends holds its machines for ever.

It runs in a thread. A C extension that never gives the interpreter's lock back stops it too; then the Lease goes stale, which the
operator sees.
"""

import faulthandler
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from lwm_trainer.config import ExitCode
from lwm_trainer.runtime.exit import leave
from lwm_trainer.runtime.phase_tracker import PhaseSnapshot, PhaseTracker

_LOOK_SECONDS = 1.0
_PACKAGE = Path(__file__).parents[1]
_FRAMES = 4


def watch(standing: PhaseTracker, steps: int, *, coordinator: bool) -> None:
    """Start the thread. `coordinator` as in `ending.leave`."""
    threading.Thread(target=_run, args=(standing, steps, coordinator), name="watchdog", daemon=True).start()


def _run(standing: PhaseTracker, steps: int, coordinator: bool) -> None:
    while not hangs(moment := standing.now()):
        time.sleep(_LOOK_SECONDS)
    faulthandler.dump_traceback(all_threads=True)
    leave(ExitCode.HANG, describe(moment, steps, main_thread_frames()), step=moment.handed_over, coordinator=coordinator)


def hangs(moment: PhaseSnapshot) -> bool:
    return moment.idle_seconds > moment.deadline_seconds


def describe(moment: PhaseSnapshot, steps: int, frames: str) -> str:
    """One line: phase, how long, how far, and where the main thread stands."""
    return (
        f"{moment.phase}: nothing new for {moment.idle_seconds:.0f} s, longer than the {moment.deadline_seconds} s allowed, with "
        f"{moment.done} of {steps} steps done and {moment.handed_over} begun; the main thread is in {frames}"
    )


def main_thread_frames() -> str:
    """The innermost frames of the main thread, innermost first: `lwm_trainer/step/x.py:33 f < lwm_trainer/train.py:80 train`."""
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)
    found: list[str] = []
    while frame is not None and len(found) < _FRAMES:
        found.append(f"{_short(frame.f_code.co_filename)}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(found)


def _short(path: str) -> str:
    """Our own files from the package on, such as lwm_trainer/step/global_batch.py; others with their folder."""
    file = Path(path)
    return str(file.relative_to(_PACKAGE.parent) if file.is_relative_to(_PACKAGE) else Path(*file.parts[-2:]))
