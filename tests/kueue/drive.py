"""Kueue itself over two trainings: `python -m kueue.drive --name lwm-test` on the embedded cluster.

A late admission, a preemption by priority, an eviction by a queue that is drained, and an admission after each. No trainer runs: what the
kubelets and process 0 would write is written here. Prints each step with its seconds; fails at the first that does not come.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devcluster.paths import Cluster, binaries
from devcluster.run import ClusterError, output
from kueue.server import served
from kueue.trainings import QUEUE, Following, prepare
from lwm_operator.api.status import Phase, Status
from lwm_operator.cluster.client import Client, Patch, configuration
from support.operator_process import Process
from tools.docs.crd import PLAIN

SECONDS = 90.0


async def until(description: str, training: Following, holds: Callable[[Status], bool]) -> Status:
    """Raises ClusterError with what the status says instead."""
    start = time.monotonic()
    while not holds(status := await training.status()):
        if time.monotonic() - start > SECONDS:
            raise ClusterError(f"not within {SECONDS:.0f} s: {description}; {training.name} says {status.reason}: {status.message}")
        await asyncio.sleep(0.2)
    print(f"{time.monotonic() - start:5.1f} s  {description}: {status.reason}: {status.message}", flush=True)
    return status


def queued(attempt: int, *words: str) -> Callable[[Status], bool]:
    return lambda status: (status.reason, status.attempt) == ("Queued", attempt) and all(word in status.message for word in words)


def admitted(attempt: int) -> Callable[[Status], bool]:
    """The pods are there, and have no node to go to."""
    return lambda status: (status.reason, status.attempt) == ("Unschedulable", attempt)


def trains(status: Status) -> bool:
    return status.phase == Phase.RUNNING


def evicted(status: Status, number: int, reason: str) -> None:
    """Raises AssertionError where the attempt has not ended by Kueue's deed, with its word, or where it has cost something."""
    attempts = {attempt.number: attempt for attempt in status.stages[0].recent_attempts}
    cause, spent = attempts[number].root_cause, status.stages[0].budgets_used
    assert cause is not None
    print(f"         attempt {number} ended: {cause.reason} ({cause.failure_class}): {cause.message}", flush=True)
    assert (cause.reason, cause.failure_class) == ("EvictedByQueue", "Disruption")
    assert f"queue {QUEUE} took the nodes back: {reason}" in cause.message
    assert (spent.app, spent.infra, spent.hang) == (0, 0, 0)


async def drive(client: Client, namespace: str) -> None:
    low, high = Following(client, namespace, "low"), Following(client, namespace, "high")
    await low.create()
    await until("a queue that is on hold keeps it", low, queued(1, f"waits in queue {QUEUE} since", "Inadmissible: "))
    await policy(client, "None")
    await until("late admission", low, admitted(1))
    await low.train()
    await until("it trains", low, trains)

    await high.create(priorityClassName="lwm-high")
    status = await until("a higher priority preempts it", low, queued(2))
    evicted(status, 1, "Preempted: ")
    await until("the higher one is admitted", high, admitted(1))
    assert await low.jobs() == ["low-s1-a2"], "nobody may admit the Job of an ended attempt again"
    await high.change({"suspend": True})
    await until("the higher one leaves", high, lambda status: status.reason == "Suspended")
    await until("admitted again", low, admitted(2))
    await low.train()
    await until("it trains", low, trains)

    await policy(client, "HoldAndDrain")
    status = await until("the queue is drained", low, queued(3))
    evicted(status, 2, "ClusterQueueStopped: ")
    assert await low.jobs() == ["low-s1-a3"]
    await policy(client, "None")
    await until("admitted again", low, admitted(3))
    await low.change({"suspend": True})
    await until("the end", low, lambda status: status.reason == "Suspended")


async def policy(client: Client, stop: str) -> None:
    path = f"/apis/kueue.x-k8s.io/v1beta2/clusterqueues/{QUEUE}"
    await client.patch(path, {"spec": {"stopPolicy": stop}}, Patch.MERGE, manager="tests")


async def main(cluster: Cluster) -> None:
    os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
    kubectl: list[Any] = [binaries() / "kubectl", f"--kubeconfig={cluster.kubeconfig}"]
    output([*kubectl, "apply", "--server-side", "--force-conflicts", "--filename", PLAIN])
    with tempfile.TemporaryDirectory() as folder, served(kubectl, cluster.kubeconfig, Path(folder)):
        client = Client(await configuration())
        async with prepare(client) as namespace:
            operator = Process(cluster.kubeconfig, namespace, Path(folder) / "operator.log")
            try:
                await drive(client, namespace)
            finally:
                operator.end()
        await client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kueue itself over two trainings.")
    parser.add_argument("--name", default=Cluster().name, help="the cluster's")
    try:
        asyncio.run(main(Cluster(parser.parse_args().name)))
    except ClusterError as error:
        sys.exit(str(error))
