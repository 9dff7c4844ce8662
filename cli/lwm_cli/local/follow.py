"""One training from here to its end: reconcile whenever something has changed, and leave on request."""

import asyncio
import signal
from collections.abc import Callable
from enum import Enum

from lwm_cli.local.local_cluster import LocalCluster
from lwm_operator.api.status import Phase
from lwm_operator.api.training import Training
from lwm_operator.cluster.port import ClusterError, ConflictError
from lwm_operator.controller.reconcile import Reconciler
from lwm_operator.plan.reasons import LifecycleReason

POLL_SECONDS = 0.2
RETRY_SECONDS = 2.0

STUCK = (LifecycleReason.INVALID_SPEC, LifecycleReason.CHECKPOINT_UNKNOWN)
"""Reasons of phase Pending for which only the user can do something."""


class Outcome(Enum):
    COMPLETE = "complete"
    STOPPED = "stopped"
    """Paused or Failed: a person must act."""
    LEFT = "left"
    """The processes were asked to leave, and did."""


async def follow(cluster: LocalCluster, show: Callable[[Training], None], say: Callable[[str], None]) -> Outcome:
    """Train until there is nothing left to do. SIGINT, SIGTERM and SIGHUP: save and leave; a second one: at once."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, _leave, cluster, say)
    try:
        return await _reconcile_until_done(cluster, show, say)
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _leave(cluster: LocalCluster, say: Callable[[str], None]) -> None:
    if cluster.leaving:
        cluster.kill()
        cluster.killed = True
        return
    cluster.leaving = True
    say(f"{cluster.live} processes save and leave; once more: they are killed" if cluster.live else "leaving")


async def _reconcile_until_done(cluster: LocalCluster, show: Callable[[Training], None], say: Callable[[str], None]) -> Outcome:
    reconciler, complaint = Reconciler(cluster), ""
    while True:
        known = cluster.changes()
        try:
            wait = await reconciler.reconcile(cluster.key)
            complaint = ""
        except ConflictError:
            continue
        except ClusterError as error:
            wait = RETRY_SECONDS
            if (text := str(error)) != complaint:
                say(text)
                complaint = text
        training = cluster.training()
        show(training)
        if (outcome := _outcome(cluster, training)) is not None:
            return outcome
        await _wait_for_change(cluster, known, wait)


async def _wait_for_change(cluster: LocalCluster, known: tuple[object, ...], seconds: float | None) -> None:
    loop = asyncio.get_running_loop()
    end = None if seconds is None else loop.time() + seconds
    while cluster.changes() == known and not cluster.killed and (end is None or loop.time() < end):  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)  # files and adopted processes wake nobody


def _outcome(cluster: LocalCluster, training: Training) -> Outcome | None:
    status = training.status
    if cluster.killed or (cluster.leaving and status.phase == Phase.SUSPENDED and not cluster.live):
        return Outcome.LEFT
    if status.phase == Phase.COMPLETE:
        return Outcome.COMPLETE
    is_stuck = status.phase == Phase.PENDING and status.reason in STUCK
    return Outcome.STOPPED if (status.phase in (Phase.FAILED, Phase.PAUSED) or is_stuck) and not cluster.live else None
