"""Post a plan's Events (events.k8s.io/v1). Names are deterministic: a repeat raises the count of the one that is there."""

import hashlib
from datetime import UTC, datetime

from lwm_operator.api import names
from lwm_operator.api.training import Metadata
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Client, Patch
from lwm_operator.plan.actions import Event


def event_name(about: Metadata, event: Event) -> str:
    digest = hashlib.sha256(f"{about.uid}/{event.key}".encode()).hexdigest()[:10]
    return f"{about.name}.{event.order}.{digest}"


async def post(client: Client, about: Metadata, event: Event, now: datetime, instance: str) -> None:
    """Raises `ApiError`; the caller lets a story with a missing sentence be."""
    name, micro = event_name(about, event), now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    body = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": about.namespace},
        "eventTime": micro,
        "reportingController": f"{names.GROUP}/operator",
        "reportingInstance": instance[:128],
        "action": event.reason,
        "reason": event.reason,
        "type": event.type,
        "note": event.message[:1024],
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": about.name,
            "namespace": about.namespace,
            "uid": about.uid,
        },
    }
    try:
        await client.call("POST", paths.collection("Event", about.namespace), body=body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        path = paths.item("Event", about.namespace, name)
        there = await client.get(path) or {}
        count = int((there.get("series") or {}).get("count") or 1) + 1
        series = {"series": {"count": max(count, 2), "lastObservedTime": micro}}
        await client.patch(path, series, Patch.MERGE, manager=names.FIELD_MANAGER)
