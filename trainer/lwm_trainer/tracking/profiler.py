"""Traces of named steps for XProf, in the run's folder.

A trace is taken by process 0 of its own devices. It holds up the training while it is written and changes none of its numbers; when it
fails, the training goes on without it.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import jax

from lwm_trainer.config import RunConfig
from lwm_trainer.runtime import console
from lwm_trainer.runtime.redaction import redact
from lwm_trainer.storage.folder import folder
from lwm_trainer.tracking.tensorboard import tensorboard_folder


class Profiler:
    """Steps that follow each other are one trace."""

    def __init__(self, run: RunConfig, wait: Callable[[], None], written: Callable[[str], None]) -> None:
        """`wait` returns when the devices have done every dispatched step. `written` is called with the folder of each trace."""
        self._run, self._wait, self._written = run, wait, written
        self._steps = frozenset(run.profile_steps)
        self._first: int | None = None
        """First step of the trace that is being taken; None: none is."""

    def before(self, step: int) -> None:
        """Step `step` (from 1) is about to get its batch."""
        if self._first is None and step in self._steps:
            self._wait()  # so that the trace has nothing of the step before
            self._folder = Path(tempfile.mkdtemp(prefix="lwm-profile-"))
            if self._try(lambda: jax.profiler.start_trace(self._folder)):
                self._first = step

    def after(self, step: int) -> None:
        """Step `step` is dispatched."""
        if self._first is not None and step + 1 not in self._steps:
            self._wait()
            first, self._first = self._first, None
            self._try(jax.profiler.stop_trace) and self._try(lambda: self._keep(first, step))

    def _keep(self, first: int, last: int) -> None:
        place = profile_folder(self._run, first, last)
        target = folder(place)
        for file in sorted(self._folder.rglob("*.xplane.pb")):
            target.write(file.name, file.read_bytes())
        console.say(f"profile of steps {first} to {last}: {place}")
        self._written(place)

    def _try(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as error:
            console.warn(f"profile: {redact(f'{type(error).__name__}: {error}')}; training goes on without it")
            return False
        return True


def profile_folder(run: RunConfig, first: int, last: int) -> str:
    """Where XProf and TensorBoard's profile plug-in look for a trace, given the folder of the stage's event files or one above it."""
    return f"{tensorboard_folder(run)}/plugins/profile/a{run.attempt}-steps-{first}-{last}"
