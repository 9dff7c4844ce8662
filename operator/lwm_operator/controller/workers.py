"""The loops around the queue: workers that reconcile trainings, and a periodic resync that enqueues every training."""

import asyncio
import random
from collections.abc import Callable

import structlog

from lwm_operator.cluster.port import ClusterError, ClusterPort, ConflictError, TrainingKey
from lwm_operator.controller import metrics
from lwm_operator.controller.queue import KeyedQueue
from lwm_operator.controller.reconcile import Reconciler

log = structlog.get_logger("lwm_operator")

RESYNC_SECONDS = 300.0


async def run_worker(queue: KeyedQueue[TrainingKey], reconciler: Reconciler) -> None:
    """Reconcile one key after the other, for ever. No error ends it."""
    while True:
        key = await queue.get()
        structlog.contextvars.bind_contextvars(namespace=key.namespace, training=key.name)
        try:
            with metrics.RECONCILE.time():
                requeue_after = await reconciler.reconcile(key)
        except ConflictError:
            # The plan was out of date, which is no failure: read and plan again.
            queue.retry(key)
        except ClusterError as error:
            metrics.FAILURES.inc()
            log.warning("reconcile_failed", error=str(error), retry_seconds=round(queue.retry(key), 1))
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


async def resync(cluster: ClusterPort, queue: KeyedQueue[TrainingKey], jitter: Callable[[], float] = random.random) -> None:
    """Add every training each 5 minutes, for ever: a watch may miss something."""
    while True:
        await asyncio.sleep(RESYNC_SECONDS * (0.9 + 0.2 * jitter()))
        try:
            for key in await cluster.list_trainings():
                queue.add_after(key, 30.0 * jitter())
        except ClusterError as error:
            log.warning("resync_failed", error=str(error))
