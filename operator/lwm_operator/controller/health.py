"""The liveness probe: the operator is alive when its queue moves and its tasks run. Failures of the API server do not count."""

import asyncio
from collections.abc import Sequence
from typing import Any

import kopf

from lwm_operator.cluster.port import TrainingKey
from lwm_operator.controller.queue import KeyedQueue

STUCK_SECONDS = 300.0


def find_problem(queue: KeyedQueue[TrainingKey], tasks: Sequence[asyncio.Task[None]]) -> str | None:
    """Return what is wrong, in one sentence; None when nothing is."""
    if dead := [task.get_name() for task in tasks if task.done()]:
        return f"these tasks have ended: {', '.join(dead)}"
    if (seconds := queue.oldest_seconds()) > STUCK_SECONDS:
        return f"the oldest key has waited {seconds:.0f} s"
    return None


def register(registry: kopf.OperatorRegistry, queue: KeyedQueue[TrainingKey], tasks: Sequence[asyncio.Task[None]]) -> None:
    """Attach the probe. It raises PermanentError, because any other exception would let the request hang."""

    async def alive(**_: Any) -> str:
        if (problem := find_problem(queue, tasks)) is not None:
            raise kopf.PermanentError(problem)
        return "ok"

    kopf.on.probe(id="operator", registry=registry)(alive)
