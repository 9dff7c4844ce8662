"""The loops around the queue: workers that reconcile trainings, and a periodic resync that enqueues every training."""

import asyncio
import random
from collections.abc import Callable

import structlog

from lwm_operator.cluster.port import ClusterError, ClusterPort, ConflictError, TrainingKey
from lwm_operator.controller import metrics
from lwm_operator.controller.namespaces import WatchedNamespaces
from lwm_operator.controller.queue import KeyedQueue
from lwm_operator.controller.reconcile import Reconciler

log = structlog.get_logger("lwm_operator")

RESYNC_SECONDS = 300.0
REFUSED_SECONDS = 60.0
"""Resync period while a watched namespace is refused."""
RECONCILE_SECONDS = 240.0
"""Bound of one reconcile; what it had not done yet is left to the next."""


async def run_worker(queue: KeyedQueue[TrainingKey], reconciler: Reconciler) -> None:
    """Reconcile one key after the other, for ever. No error ends it."""
    while True:
        key = await queue.get()
        structlog.contextvars.bind_contextvars(namespace=key.namespace, training=key.name)
        try:
            with metrics.RECONCILE.time():
                async with asyncio.timeout(RECONCILE_SECONDS):
                    requeue_after = await reconciler.reconcile(key)
        except ConflictError:
            # The plan was out of date, which is no failure: read and plan again.
            queue.retry(key)
        except (ClusterError, TimeoutError) as error:
            metrics.FAILURES.inc()
            log.warning(
                "reconcile_failed",
                error=str(error) or f"not done within {RECONCILE_SECONDS:.0f} s",
                retry_seconds=round(queue.retry(key), 1),
            )
        except Exception:
            metrics.FAILURES.inc()
            log.exception("reconcile_failed", retry_seconds=round(queue.retry(key), 1))
        else:
            queue.forget(key)
            if requeue_after is not None:
                queue.add_after(key, requeue_after)
        finally:
            queue.done(key)
            metrics.QUEUE.set(len(queue))
            structlog.contextvars.clear_contextvars()


async def resync(
    cluster: ClusterPort,
    queue: KeyedQueue[TrainingKey],
    watched: WatchedNamespaces,
    jitter: Callable[[], float] = random.random,
) -> None:
    """Add every training each 5 minutes, for ever: a watch may miss something. While a namespace is refused, it is tried each minute."""
    while True:
        await asyncio.sleep((REFUSED_SECONDS if watched.refused else RESYNC_SECONDS) * (0.9 + 0.2 * jitter()))
        try:
            for key in await cluster.list_trainings():
                queue.add_after(key, 30.0 * jitter())
        except ClusterError as error:
            log.warning("resync_failed", error=str(error))
