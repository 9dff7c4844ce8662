"""What Kueue says of a suspended Job: asked for only then, and never required. No word of it decides anything."""

from dataclasses import replace

from lwm_operator.api import names
from lwm_operator.cluster import views
from lwm_operator.cluster.client import ApiError, Body, Client
from lwm_operator.plan.observed import Waiting

GROUP = "/apis/kueue.x-k8s.io"


async def words(client: Client, job: Body) -> Waiting | None:
    """Of the Job's Workload; None when the Job is not suspended, is for no queue, or Kueue has not taken it up yet."""
    if not views.suspended(job) or not views.queue_of(job):
        return None
    about = job["metadata"]
    try:
        if (group := await client.get(GROUP)) is None:
            return Waiting(reason="", message="no Kueue is installed in this cluster, so nobody admits it", since="")
        found = await workloads(client, group["preferredVersion"]["version"], about["namespace"], about["uid"])
    except ApiError as error:
        if error.code == 0:
            raise
        return Waiting(reason="", message=f"Kueue's words cannot be had: {error.reason}: {error.message}", since="")
    return said(max(found, key=lambda workload: int(workload["metadata"]["resourceVersion"]))) if found else None


async def workloads(client: Client, version: str, namespace: str, uid: str) -> list[Body]:
    """Of the Job with this uid. Raises ApiError."""
    return await client.list(f"{GROUP}/{version}/namespaces/{namespace}/workloads", f"{names.LABEL_QUEUED_JOB}={uid}")


def said(workload: Body) -> Waiting:
    """Why the Job is suspended: the eviction, if the last thing was one, and what is missing for its admission."""
    status = workload.get("status") or {}
    conditions = {str(each.get("type")): each for each in status.get("conditions") or ()}
    reserved, admitted, evicted = (conditions.get(kind) or {} for kind in ("QuotaReserved", "Admitted", "Evicted"))
    if evicted.get("status") == "True":
        why, now = _waiting(evicted), _waiting(reserved)
        news = reserved.get("status") == "False" and now.message != why.message
        return replace(why, message=f"{why.message}; {now.reason}: {now.message}"[: views.LETTERS]) if news else why
    if reserved.get("status") == "False":
        return _waiting(reserved)
    if reserved.get("status") == "True" and admitted.get("status") != "True":
        checks = [f"{each.get('name')} is {each.get('state')}: {each.get('message')}" for each in status.get("admissionChecks") or ()]
        return Waiting(reason="", message="; ".join(["its quota is reserved, admission checks are not ready", *checks]), since="")
    return Waiting(reason="", message="it is admitted and about to start" if admitted else "Kueue has not looked at it yet", since="")


def _waiting(condition: Body) -> Waiting:
    message = str(condition.get("message") or "")[: views.LETTERS]
    return Waiting(reason=str(condition.get("reason") or ""), message=message, since=str(condition.get("lastTransitionTime") or ""))
