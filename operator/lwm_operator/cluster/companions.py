"""Finds attempts and preparations that lack an object which their pods need, because somebody deleted it."""

import asyncio
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.cluster import parse, paths
from lwm_operator.cluster.client import Body, Client

LOOK_SECONDS = 10
"""A training whose pods all run is reconciled at each heartbeat of its trainer, every 10 s."""
LOOKS = 6
"""While all pods run, the objects are read in one of so many heartbeats: no watch tells of them, and each is a request."""


async def find_incomplete(
    client: Client, training: Training, jobs: Sequence[Body], pods: Sequence[Body], leases: Sequence[Body], now: datetime
) -> frozenset[str]:
    """Return the names of attempts and preparations with an unfinished Job and without one of the objects that its pods need."""
    unfinished: dict[str, list[Body]] = {}
    for job in jobs:
        if not parse.is_finished(job):
            unfinished.setdefault(_name(training, job), []).append(job)
    with_lease = {lease["metadata"]["name"] for lease in leases}
    read = [
        name for name, own_jobs in unfinished.items() if name in with_lease and (_is_due(training, now) or not _all_run(own_jobs, pods))
    ]
    complete = await asyncio.gather(*(_is_complete(client, training, name) for name in read))
    lacking = {name for name, is_complete in zip(read, complete, strict=True) if not is_complete}
    return frozenset(lacking | (unfinished.keys() - with_lease))


async def _is_complete(client: Client, training: Training, name: str) -> bool:
    namespace, kinds = training.metadata.namespace, ["ConfigMap", "Role", "RoleBinding"]
    if training.spec.pod_template.service_account_name is None:
        kinds.append("ServiceAccount")
    wanted = [paths.item(kind, namespace, name) for kind in kinds] + [paths.item("Service", namespace, training.metadata.name)]
    return None not in await asyncio.gather(*(client.get(path) for path in wanted))


def _name(training: Training, job: Body) -> str:
    """Return the name that the Job's attempt or preparation shares with its objects; slices have Jobs with names of their own."""
    if parse.preparation_key(job) is not None:
        return str(job["metadata"]["name"])
    return names.job_name(training.metadata.name, *parse.attempt_key(job))


def _all_run(jobs: Iterable[Body], pods: Sequence[Body]) -> bool:
    """Whether all pods of the Jobs run, so that none of them still has to read its config or to find its peers."""
    own = {uid: [pod for pod in pods if parse.is_controlled_by(pod, uid)] for uid in (job["metadata"]["uid"] for job in jobs)}
    wanted = sum(int((job.get("spec") or {}).get("parallelism") or 1) for job in jobs)
    running = [pod for each in own.values() for pod in each if (pod.get("status") or {}).get("phase") == "Running"]
    return len(running) >= wanted


def _is_due(training: Training, now: datetime) -> bool:
    """Whether this is the training's turn: each has one of every `LOOKS` looks, and different ones have different turns."""
    return int(now.timestamp()) // LOOK_SECONDS % LOOKS == zlib.crc32(training.metadata.uid.encode()) % LOOKS
