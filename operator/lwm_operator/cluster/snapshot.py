"""One consistent snapshot of a training's children, always read from the API server and never from memory."""

import asyncio
from datetime import datetime

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.cluster import kueue, parse, paths
from lwm_operator.cluster.client import Body, Client
from lwm_operator.cluster.companions import find_incomplete
from lwm_operator.cluster.node_pools import find_node_pools
from lwm_operator.cluster.node_reader import NodeReader
from lwm_operator.cluster.ownership import owned_pods
from lwm_operator.cluster.parse_pods import parse_pod
from lwm_operator.cluster.pod_diagnostics import explain_pods, find_lost_nodes, infer_lost_nodes
from lwm_operator.plan.observed import JobView, Observed, PodView, PreparationView


async def observe(client: Client, training: Training, now: datetime, *, read_nodes: bool = True) -> Observed:
    """Return the children that this very training (by uid) owns; nodes and pods' Events are read only in doubt."""
    metadata = training.metadata
    selector = f"{names.LABEL_UID}={metadata.uid}"
    jobs, pods, leases = await asyncio.gather(
        *(client.list(paths.collection(kind, metadata.namespace), selector) for kind in ("Job", "Pod", "Lease"))
    )
    jobs, leases = ([each for each in bodies if parse.is_controlled_by(each, metadata.uid)] for bodies in (jobs, leases))
    pods = await owned_pods(client, training, jobs, pods)
    parsed = tuple(parse_pod(pod) for pod in pods)
    reader = NodeReader(client)
    lost_nodes = await find_lost_nodes(reader, parsed, now) if read_nodes else infer_lost_nodes(parsed)
    explained = await explain_pods(client, metadata.namespace, parsed, lost_nodes, now)
    node_pools = await find_node_pools(reader, pods, parsed) if read_nodes else {}
    job_views = [(job, await _observe_job(client, job, pods)) for job in jobs]
    incomplete = await find_incomplete(client, training, jobs, pods, leases, now)
    attempt_leases = [lease for lease in leases if parse.preparation_key(lease) is None]
    return Observed(
        jobs=tuple(view for job, view in job_views if parse.preparation_key(job) is None),
        pods=tuple(view for body, view in zip(pods, explained, strict=True) if parse.preparation_key(body) is None),
        preparations=tuple(
            _preparation(job, view, pods, explained, leases) for job, view in job_views if parse.preparation_key(job) is not None
        ),
        incomplete=incomplete,
        leases=frozenset(parse.attempt_key(lease) for lease in attempt_leases),
        preparation_leases=frozenset(lease["metadata"]["name"] for lease in leases if parse.preparation_key(lease) is not None),
        reports={parse.attempt_key(lease): report for lease in attempt_leases if (report := parse.parse_progress(lease)) is not None},
        lost_nodes={name: node.reason for name, node in lost_nodes.items()},
        node_pools=node_pools,
        renewed={parse.attempt_key(lease): time for lease in attempt_leases if (time := parse.parse_renew_time(lease)) is not None},
    )


async def _observe_job(client: Client, job: Body, pods: list[Body]) -> JobView:
    return parse.parse_job(job, await _creation_failure(client, job, pods), await kueue.explain_suspension(client, job))


def _preparation(job: Body, view: JobView, pods: list[Body], explained: tuple[PodView, ...], leases: list[Body]) -> PreparationView:
    """Join a preparation's Job with its own pods only: an earlier Job of the same name may have left some."""
    own_pods = tuple(pod for body, pod in zip(pods, explained, strict=True) if parse.is_controlled_by(body, view.uid))
    lease = next((lease for lease in leases if parse.preparation_key(lease) == parse.preparation_key(job)), None)
    return parse.parse_preparation(job, view, own_pods, parse.parse_preparation_report(lease) if lease is not None else None)


async def _creation_failure(client: Client, job: Body, pods: list[Body]) -> str:
    """Return why the Job's pods are not created (quota, admission): its controller says so in Events, never in its conditions."""
    uid = job["metadata"]["uid"]
    created = sum(1 for pod in pods if parse.is_controlled_by(pod, uid))
    if parse.is_finished(job) or parse.is_suspended(job) or created >= job["spec"].get("parallelism", 1):
        return ""
    path = paths.collection("Event", job["metadata"]["namespace"])
    events = await client.list(path, fields=f"regarding.uid={uid},reason=FailedCreate")
    return str(max(events, key=lambda event: int(event["metadata"]["resourceVersion"])).get("note", "")) if events else ""
