"""Passes of the operator over trainings on a real API server, one by one."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Body, Client
from lwm_operator.cluster.kubernetes_cluster import KubernetesCluster
from lwm_operator.cluster.port import TrainingKey
from lwm_operator.controller.reconcile import Reconciler

IMAGE = "registry.invalid/lwm-trainer:none"
KINDS = ("Job", "Pod", "Service", "ConfigMap", "Lease", "ServiceAccount", "Role", "RoleBinding")


class Operator:
    """Passes of a reconciler whose clock the test sets."""

    def __init__(self, client: Client) -> None:
        self.ahead = timedelta()
        cluster = KubernetesCluster(client, trainer_image=IMAGE, instance="test", now=lambda: datetime.now(UTC) + self.ahead)
        self.reconciler = Reconciler(cluster)

    async def reconcile(self, training: Training) -> float | None:
        return await self.reconciler.reconcile(TrainingKey(training.metadata.namespace, training.metadata.name))


async def children(client: Client, training: Training) -> dict[str, list[Body]]:
    selector = f"{names.LABEL_TRAINING}={training.metadata.name}"
    return {kind: await client.list(paths.collection(kind, training.metadata.namespace), selector) for kind in KINDS}


async def until(check: Any, seconds: float = 60) -> None:
    """Wait for something that the cluster's controllers do."""
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110 - the cluster changes it, not one of our tasks
            await asyncio.sleep(0.2)
