"""The operator process: kopf's watches around the controller's queue and workers."""

import asyncio
import sys

import kopf

from lwm_operator.cluster.port import TrainingKey
from lwm_operator.controller import handlers
from lwm_operator.controller.logs import configure_logging
from lwm_operator.controller.queue import KeyedQueue
from lwm_operator.controller.run import run
from lwm_operator.controller.settings import Settings, from_environment


async def run_operator(settings: Settings) -> int:
    """Run until told to stop; return the exit code of the process."""

    async def watch(queue: KeyedQueue[TrainingKey]) -> None:
        registry = kopf.OperatorRegistry()
        handlers.register(registry, queue)
        await kopf.operator(
            registry=registry,
            settings=handlers.kopf_settings(),
            # Without it kopf looks up the user in /etc/passwd, where the uid of a pod has no entry.
            identity=settings.identity,  # type: ignore[arg-type]  # a NewType of str that kopf keeps to itself
            clusterwide=not settings.watch_namespaces,
            namespaces=settings.watch_namespaces,
        )

    return await run(settings, watch)


def main() -> int:
    """Read the settings from the environment and run the operator; exit code 64 when a setting is wrong."""
    try:
        settings = from_environment()
        configure_logging(settings.log_level)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 64
    return asyncio.run(run_operator(settings))
