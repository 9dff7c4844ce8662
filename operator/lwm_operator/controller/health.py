"""What the probes are told: liveness is about this process, readiness about what it can do for trainings.

A process that waits for the API server or for leadership is alive: a restart would not help it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from lwm_operator.cluster.port import TrainingKey
from lwm_operator.controller.queue import KeyedQueue

STUCK_SECONDS = 300.0
UNREACHABLE_SECONDS = 10.0


class Role(StrEnum):
    STARTING = "starting: it waits for the API server and the CRD"
    STANDBY = "standby: another operator leads"
    LEADING = "leading"


class Health:
    """The state of the process. `unreachable_seconds` says how long the API server has not answered."""

    def __init__(self, unreachable_seconds: Callable[[], float], refused: Mapping[str, str]) -> None:
        """`refused` has the API server's message for each watched namespace that it refuses."""
        self.role = Role.STARTING
        self._unreachable_seconds = unreachable_seconds
        self._refused = refused
        self._queue: KeyedQueue[TrainingKey] | None = None
        self._tasks: Sequence[asyncio.Task[None]] = ()

    def lead(self, queue: KeyedQueue[TrainingKey], tasks: Sequence[asyncio.Task[None]]) -> None:
        """The process works from now on, with this queue and these tasks, none of which may end."""
        self.role, self._queue, self._tasks = Role.LEADING, queue, tasks

    def liveness_problem(self) -> str | None:
        """Return what only a restart can mend, in one sentence; None when there is nothing."""
        if dead := [task.get_name() for task in self._tasks if task.done()]:
            return f"these tasks have ended: {', '.join(dead)}"
        if self._queue is not None and (seconds := self._queue.longest_work_seconds()) > STUCK_SECONDS:
            return f"a worker has been busy with one training for {seconds:.0f} s"
        return None

    def readiness_problem(self) -> str | None:
        """Return why this process can neither work nor take over, in one sentence; None when it can."""
        if (problem := self.liveness_problem()) is not None:
            return problem
        if (seconds := self._unreachable_seconds()) > UNREACHABLE_SECONDS:
            return f"the API server has not answered for {seconds:.0f} s"
        return Role.STARTING.value if self.role == Role.STARTING else None

    def describe(self) -> str:
        """Return the role, and a line for each watched namespace that is not served."""
        return "\n".join([self.role, *(f"namespace {name} is not served: {message}" for name, message in sorted(self._refused.items()))])
