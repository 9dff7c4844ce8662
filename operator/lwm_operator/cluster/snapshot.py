"""One consistent look at a training and its children. Always read from the API server, never from memory."""

import asyncio

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.cluster import paths, views
from lwm_operator.cluster.client import Body, Client
from lwm_operator.plan.observed import Observed, PodView


async def read_training(client: Client, namespace: str, name: str) -> Body | None:
    """The LWMTraining as it stands; None when it is gone."""
    return await client.get(paths.item(names.KIND, namespace, name))


async def observe(client: Client, training: Training) -> Observed:
    """The children that this very training (by uid) owns; nodes are asked for only where a pod is being deleted."""
    about = training.metadata
    selector = f"{names.LABEL_UID}={about.uid}"
    jobs, pods, leases = await asyncio.gather(
        *(client.list(paths.collection(kind, about.namespace), selector) for kind in ("Job", "Pod", "Lease"))
    )
    seen = tuple(views.pod_view(pod) for pod in pods)
    ours = [job for job in jobs if views.owned(job, about.uid)]
    reports = {views.numbers(lease): report for lease in leases if (report := views.progress_of(lease)) is not None}
    return Observed(
        jobs=tuple([views.job_view(job, await _complaint(client, job, seen)) for job in ours]),
        pods=seen,
        reports=reports,
        lost_nodes=await _lost_nodes(client, seen),
        renewed={views.numbers(lease): when for lease in leases if (when := views.renewed_at(lease)) is not None},
    )


async def _complaint(client: Client, job: Body, pods: tuple[PodView, ...]) -> str:
    """Why the Job's pods are not made (quota, admission): its controller says so in Events only, never in its conditions."""
    if views.ended(job) or sum(views.numbers(job) == (pod.stage, pod.attempt) for pod in pods) >= job["spec"].get("parallelism", 1):
        return ""
    place = paths.collection("Event", job["metadata"]["namespace"])
    said = await client.list(place, fields=f"regarding.uid={job['metadata']['uid']},reason=FailedCreate")
    return str(max(said, key=lambda event: int(event["metadata"]["resourceVersion"])).get("note", "")) if said else ""


async def _lost_nodes(client: Client, pods: tuple[PodView, ...]) -> frozenset[str]:
    doubtful = sorted({pod.node for pod in pods if pod.node is not None and pod.live and pod.deleting})
    found = await asyncio.gather(*(client.get(paths.node(name)) for name in doubtful))
    return frozenset(name for name, body in zip(doubtful, found, strict=True) if not views.node_ready(body))
