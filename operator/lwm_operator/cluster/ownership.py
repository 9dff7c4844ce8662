"""Which pods belong to a training: those whose controller is one of its Jobs. Labels only find candidates, since anybody may copy them."""

import asyncio
from collections.abc import Sequence

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.cluster import parse, paths
from lwm_operator.cluster.client import Body, Client
from lwm_trainer.config import slice_name


async def owned_pods(client: Client, training: Training, jobs: Sequence[Body], pods: Sequence[Body]) -> list[Body]:
    """Return the pods whose controller is one of `jobs`, the training's own, or was one that no longer exists.

    Garbage collection deletes the pods of a Job that no longer exists. Until then they hold their nodes, and their endings may be the
    only trace of an attempt.
    """
    uids = {job["metadata"]["uid"] for job in jobs}
    references = [(pod, parse.controller(pod)) for pod in pods]
    unknown = {
        str(reference["uid"]): str(reference["name"])
        for pod, reference in references
        if reference is not None and reference["uid"] not in uids and reference["name"] in _job_names(training, pod)
    }
    existing = await asyncio.gather(*(client.get(paths.item("Job", training.metadata.namespace, name)) for name in unknown.values()))
    gone = {uid for uid, job in zip(unknown, existing, strict=True) if job is None or job["metadata"]["uid"] != uid}
    return [pod for pod, reference in references if reference is not None and reference["uid"] in uids | gone]


def _job_names(training: Training, pod: Body) -> tuple[str, ...]:
    """Return the names that the training's Job of this pod can have, by the pod's labels."""
    if parse.preparation_key(pod) is not None:
        return ()  # What is left of an earlier preparation does not count.
    name = names.job_name(training.metadata.name, *parse.attempt_key(pod))
    return name, slice_name(name, parse.slice_index(pod), slices=2)
