"""Reads why Kueue keeps a Job suspended. Kueue is optional; its messages only explain and decide nothing."""

from dataclasses import replace

from lwm_operator.api import names
from lwm_operator.cluster import parse
from lwm_operator.cluster.client import UNREACHABLE, ApiError, Body, Client
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH
from lwm_operator.plan.observed import Waiting

GROUP = "/apis/kueue.x-k8s.io"


async def explain_suspension(client: Client, job: Body) -> Waiting | None:
    """Return what the Job's Workload says; None when the Job is not suspended, is for no queue, or has no Workload yet."""
    if not parse.is_suspended(job) or not parse.queue_name(job):
        return None
    metadata = job["metadata"]
    try:
        if (group := await client.get(GROUP)) is None:
            return Waiting(reason="", message="no Kueue is installed in this cluster, so nobody admits it", since="")
        workloads = await list_workloads(client, group["preferredVersion"]["version"], metadata["namespace"], metadata["uid"])
    except ApiError as error:
        if error.code == UNREACHABLE:
            raise
        return Waiting(reason="", message=f"Kueue's Workload cannot be read: {error.reason}: {error.message}", since="")
    if not workloads:
        return None
    return parse_workload(max(workloads, key=lambda workload: int(workload["metadata"]["resourceVersion"])))


async def list_workloads(client: Client, version: str, namespace: str, job_uid: str) -> list[Body]:
    """Return the Workloads of the Job with this uid. Raises ApiError."""
    return await client.list(f"{GROUP}/{version}/namespaces/{namespace}/workloads", f"{names.LABEL_QUEUED_JOB}={job_uid}")


def parse_workload(workload: Body) -> Waiting:
    """Return why the Job is suspended: the eviction, if that came last, and what is missing for its admission."""
    status = workload.get("status") or {}
    by_type = {str(condition.get("type")): condition for condition in status.get("conditions") or ()}
    reserved, admitted, evicted = (by_type.get(kind) or {} for kind in ("QuotaReserved", "Admitted", "Evicted"))
    if evicted.get("status") == "True":
        eviction, pending = _parse_condition(evicted), _parse_condition(reserved)
        if reserved.get("status") != "False" or pending.message == eviction.message:
            return eviction
        message = f"{eviction.message}; {pending.reason}: {pending.message}"
        return replace(eviction, message=message[:MAX_MESSAGE_LENGTH])
    if reserved.get("status") == "False":
        return _parse_condition(reserved)
    if reserved.get("status") == "True" and admitted.get("status") != "True":
        checks = [f"{check.get('name')} is {check.get('state')}: {check.get('message')}" for check in status.get("admissionChecks") or ()]
        return Waiting(reason="", message="; ".join(["its quota is reserved, admission checks are not ready", *checks]), since="")
    return Waiting(reason="", message="it is admitted and about to start" if admitted else "Kueue has not looked at it yet", since="")


def _parse_condition(condition: Body) -> Waiting:
    message = str(condition.get("message") or "")[:MAX_MESSAGE_LENGTH]
    return Waiting(reason=str(condition.get("reason") or ""), message=message, since=str(condition.get("lastTransitionTime") or ""))
