"""The loops around the queue: workers that reconcile, and the resync that enqueues every training now and then."""

import asyncio
import random
from collections.abc import Callable

import structlog

from lwm_operator.api import names
from lwm_operator.cluster import paths
from lwm_operator.cluster.apply import NameConflictError
from lwm_operator.cluster.client import ApiError, Client
from lwm_operator.controller import metrics
from lwm_operator.controller.queue import KeyedQueue
from lwm_operator.controller.reconcile import Reconciler, TrainingKey

log = structlog.get_logger("lwm_operator")

RESYNC_SECONDS = 300.0


async def work(queue: KeyedQueue[TrainingKey], reconciler: Reconciler) -> None:
    """For ever: one key after the other. No error ends it."""
    while True:
        key = await queue.get()
        structlog.contextvars.bind_contextvars(namespace=key.namespace, training=key.name)
        try:
            with metrics.RECONCILE.time():
                again = await reconciler.reconcile(key)
        except ApiError as error:
            # A stale look (409) is nobody's fault: look again at once.
            seconds = queue.retry(key)
            if error.code != 409:
                metrics.FAILURES.inc()
                log.warning("reconcile_failed", error=str(error), retry_seconds=round(seconds, 1))
        except NameConflictError as error:
            metrics.FAILURES.inc()
            log.warning("reconcile_failed", error=str(error), retry_seconds=round(queue.retry(key), 1))
        except Exception:
            metrics.FAILURES.inc()
            log.exception("reconcile_failed", retry_seconds=round(queue.retry(key), 1))
        else:
            queue.forget(key)
            if again is not None:
                queue.add_after(key, again)
        finally:
            queue.done(key)
            metrics.QUEUE.set(len(queue))
            structlog.contextvars.clear_contextvars()


async def resync(
    client: Client, queue: KeyedQueue[TrainingKey], namespaces: tuple[str, ...], chance: Callable[[], float] = random.random
) -> None:
    """For ever: a watch may miss something, a look every 5 minutes does not."""
    while True:
        await asyncio.sleep(RESYNC_SECONDS * (0.9 + 0.2 * chance()))
        try:
            for key in await keys(client, namespaces):
                queue.add_after(key, 30.0 * chance())
        except ApiError as error:
            log.warning("resync_failed", error=str(error))


async def keys(client: Client, namespaces: tuple[str, ...]) -> list[TrainingKey]:
    """Every training that we watch. Raises `ApiError` with code 404 when the CRD is not there."""
    places = [paths.collection(names.KIND, namespace) for namespace in namespaces] or [f"/apis/{names.API_VERSION}/{names.PLURAL}"]
    found = [body for place in places for body in await client.list(place)]
    return [TrainingKey(body["metadata"]["namespace"], body["metadata"]["name"]) for body in found]
