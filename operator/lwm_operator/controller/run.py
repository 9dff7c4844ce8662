"""The operator process: acquire leadership, then watch and reconcile until told to stop or until leadership is lost."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from lwm_operator.cluster.client import UNREACHABLE, ApiError, Client, configuration
from lwm_operator.cluster.kubernetes_cluster import KubernetesCluster
from lwm_operator.cluster.leader import Leader
from lwm_operator.cluster.port import ClusterPort, TrainingKey
from lwm_operator.controller import metrics
from lwm_operator.controller.health import Health, Role
from lwm_operator.controller.http_endpoints import PortError, http_endpoints
from lwm_operator.controller.namespaces import WatchedNamespaces
from lwm_operator.controller.queue import KeyedQueue
from lwm_operator.controller.reconcile import Reconciler
from lwm_operator.controller.settings import Settings
from lwm_operator.controller.workers import resync, run_worker

log = structlog.get_logger("lwm_operator")

STOP_SECONDS = 15.0
CRD_SECONDS = 30.0
"""How long to wait for the CRD: one that is installed together with the operator is not served at once."""
START_RETRY_SECONDS = 2.0

FIXES = {
    UNREACHABLE: "the operator waits until the API server answers",
    403: "give the service account the chart's rights",
    404: "install the CRD: helm upgrade --install of the chart, or kubectl apply --server-side -f crds/",
}
SEE_ERROR = "see the error"

Watcher = Callable[[KeyedQueue[TrainingKey]], Awaitable[None]]
"""Adds keys to the queue until the process is told to stop."""


async def run(settings: Settings, watch: Watcher) -> int:
    """Run the operator; return exit code 0 when told to stop, 1 when something failed."""
    client = Client(await configuration())
    watched = WatchedNamespaces()
    health = Health(client.unreachable_seconds, watched.refused)
    cluster = KubernetesCluster(
        client,
        trainer_image=settings.trainer_image,
        fixed_user=settings.fixed_user,
        instance=settings.identity,
        namespaces=settings.watch_namespaces,
        read_nodes=settings.read_nodes,
        report_namespace=watched.report,
    )
    leader = Leader(
        client,
        namespace=settings.lease_namespace,
        name=settings.lease_name,
        identity=settings.identity,
        now=client.now,
        report=report_election,
    )
    try:
        async with http_endpoints(health, health_port=settings.health_port, metrics_port=settings.metrics_port):
            log.info("starting", identity=settings.identity, namespaces=settings.watch_namespaces or "all")
            if (crd_served := await _unless_stopped(_wait_for_crd(cluster))) is None:
                return 0
            if not crd_served:
                return 1
            if settings.leader_election:
                log.info("waiting_for_leadership", lease=f"{settings.lease_namespace}/{settings.lease_name}")
                health.role = Role.STANDBY
                if await _unless_stopped(_acquire(leader)) is None:
                    return 0
            metrics.LEADER.set(1)
            return await _lead(cluster, settings, leader, watch, health, watched)
    except PortError as error:
        log.error("port_not_opened", error=str(error))
        return 1
    finally:
        await client.close()


async def _unless_stopped(waiting: Coroutine[Any, Any, bool]) -> bool | None:
    """Return what the coroutine returns, and None when told to stop first.

    The handlers are needed because process 1 of a container gets no signal for which it has none.
    """
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(waiting)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return None


async def _acquire(leader: Leader) -> bool:
    await leader.acquire()
    return True


async def _wait_for_crd(cluster: ClusterPort) -> bool:
    """Wait until trainings can be listed; log an error and return False when they are refused or the CRD does not come.

    An API server that does not answer is waited for. With scanning off, kopf would watch nothing for ever where the CRD is missing.
    """
    loop = asyncio.get_running_loop()
    end, logged = loop.time() + CRD_SECONDS, ""
    while True:
        try:
            await cluster.list_trainings()
        except ApiError as error:
            if error.code == 403 or (error.code == 404 and loop.time() > end):
                log.error("cannot_list_trainings", error=str(error), fix=FIXES[error.code])
                return False
            if str(error) != logged:
                logged = str(error)
                log.warning("waiting_for_api_server", error=logged, fix=FIXES.get(error.code, SEE_ERROR))
            await asyncio.sleep(START_RETRY_SECONDS)
        else:
            return True


async def _lead(
    cluster: ClusterPort, settings: Settings, leader: Leader, watch: Watcher, health: Health, watched: WatchedNamespaces
) -> int:
    """Watch and reconcile until one of the tasks ends; return the exit code."""
    queue: KeyedQueue[TrainingKey] = KeyedQueue(asyncio.get_running_loop().time)
    reconciler = Reconciler(cluster)
    tasks = [asyncio.create_task(run_worker(queue, reconciler), name=f"worker-{number}") for number in range(settings.workers)]
    tasks.append(asyncio.create_task(resync(cluster, queue, watched), name="resync"))
    if settings.leader_election:
        tasks.append(asyncio.create_task(leader.hold(), name="leader"))
    watching = asyncio.ensure_future(watch(queue))
    health.lead(queue, tasks)
    log.info("leading", identity=settings.identity, trainer_image=settings.trainer_image, namespaces=settings.watch_namespaces or "all")
    done, _ = await asyncio.wait([watching, *tasks], return_when=asyncio.FIRST_COMPLETED)
    if all(task.cancelled() for task in done):
        # When kopf is told to stop, it cancels every task that it does not know: the end of kopf itself decides.
        done, _ = await asyncio.wait([watching], timeout=STOP_SECONDS)
    code = 0
    for task in done:
        if not task.cancelled() and task.exception() is not None:
            log.error("task_failed", error=repr(task.exception()))
            code = 1
    for task in tasks:
        task.cancel()
    watching.cancel()
    await asyncio.gather(*tasks, watching, return_exceptions=True)
    if settings.leader_election and code == 0:
        await _release(leader)
    log.info("stopped", code=code)
    return code


async def _release(leader: Leader) -> None:
    """Release the Lease; where that fails it runs out by itself."""
    try:
        await leader.release()
    except (ApiError, TimeoutError) as error:
        log.warning("lease_not_released", error=str(error) or "no answer in time")


def report_election(holder: str, error: ApiError | None) -> None:
    """Log who holds the Lease that this process waits for, or why it could not be read or written."""
    if error is None:
        log.info("another_operator_leads", holder=holder)
    else:
        log.warning("lease_not_renewed", error=str(error), fix=FIXES.get(error.code, SEE_ERROR))
