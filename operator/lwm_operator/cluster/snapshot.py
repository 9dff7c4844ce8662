"""One consistent look at a training and its children. Always read from the API server, never from memory."""

import asyncio
from datetime import datetime

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.cluster import kueue, paths, views
from lwm_operator.cluster.client import Body, Client
from lwm_operator.cluster.pod_diagnostics import explained, given_up, lost_nodes
from lwm_operator.plan.observed import JobView, Observed, PodView, PreparationView


async def observe(client: Client, training: Training, now: datetime, *, read_nodes: bool = True) -> Observed:
    """The children that this very training (by uid) owns; nodes and pods' Events are asked for only where there is doubt."""
    about = training.metadata
    selector = f"{names.LABEL_UID}={about.uid}"
    jobs, pods, leases = await asyncio.gather(
        *(client.list(paths.collection(kind, about.namespace), selector) for kind in ("Job", "Pod", "Lease"))
    )
    seen = tuple(views.pod_view(pod) for pod in pods)
    lost = await lost_nodes(client, seen, now) if read_nodes else given_up(seen)
    told = await explained(client, about.namespace, seen, lost, now)
    ours = [job for job in jobs if views.owned(job, about.uid)]
    of_jobs = [(job, views.job_view(job, await _complaint(client, job, pods), await kueue.words(client, job))) for job in ours]
    of_attempts = [lease for lease in leases if views.preparation_of(lease) is None]
    return Observed(
        jobs=tuple(view for job, view in of_jobs if views.preparation_of(job) is None),
        pods=tuple(view for body, view in zip(pods, told, strict=True) if views.preparation_of(body) is None),
        preparations=tuple(_preparation(job, view, pods, told, leases) for job, view in of_jobs if views.preparation_of(job) is not None),
        reports={views.numbers(lease): report for lease in of_attempts if (report := views.progress_of(lease)) is not None},
        lost_nodes=frozenset(lost),
        renewed={views.numbers(lease): when for lease in of_attempts if (when := views.renewed_at(lease)) is not None},
    )


def _preparation(job: Body, view: JobView, pods: list[Body], told: tuple[PodView, ...], leases: list[Body]) -> PreparationView:
    """With its own pods only: one of the same name before it may have left some."""
    own = tuple(pod for body, pod in zip(pods, told, strict=True) if views.made_by(body, job))
    mine = next((lease for lease in leases if views.preparation_of(lease) == views.preparation_of(job)), None)
    return views.preparation_view(job, view, own, views.preparation_report(mine) if mine is not None else None)


async def _complaint(client: Client, job: Body, pods: list[Body]) -> str:
    """Why the Job's pods are not made (quota, admission): its controller says so in Events only, never in its conditions."""
    there = sum(1 for pod in pods if views.made_by(pod, job))
    if views.ended(job) or views.suspended(job) or there >= job["spec"].get("parallelism", 1):
        return ""
    place = paths.collection("Event", job["metadata"]["namespace"])
    said = await client.list(place, fields=f"regarding.uid={job['metadata']['uid']},reason=FailedCreate")
    return str(max(said, key=lambda event: int(event["metadata"]["resourceVersion"])).get("note", "")) if said else ""
