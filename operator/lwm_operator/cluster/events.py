"""Post a plan's Events (events.k8s.io/v1). Names are deterministic: a repeat raises the count of the Event that exists."""

import hashlib
from datetime import UTC, datetime

from lwm_operator.api import names
from lwm_operator.api.training import Metadata
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Client, Patch
from lwm_operator.plan.actions import Event

MAX_NOTE_LENGTH = 1024
MAX_INSTANCE_LENGTH = 128


def event_name(regarding: Metadata, event: Event) -> str:
    digest = hashlib.sha256(f"{regarding.uid}/{event.key}".encode()).hexdigest()[:10]
    return f"{regarding.name}.{event.order}.{digest}"


async def post_event(client: Client, regarding: Metadata, event: Event, now: datetime, instance: str) -> None:
    """Post the Event, or count it again. Raises ApiError, which the caller may ignore."""
    name, event_time = event_name(regarding, event), now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    body = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": regarding.namespace},
        "eventTime": event_time,
        "reportingController": f"{names.GROUP}/operator",
        "reportingInstance": instance[:MAX_INSTANCE_LENGTH],
        "action": event.reason,
        "reason": event.reason,
        "type": event.type,
        "note": event.message[:MAX_NOTE_LENGTH],
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": regarding.name,
            "namespace": regarding.namespace,
            "uid": regarding.uid,
        },
    }
    try:
        await client.call("POST", paths.collection("Event", regarding.namespace), body=body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        path = paths.item("Event", regarding.namespace, name)
        existing = await client.get(path) or {}
        count = int((existing.get("series") or {}).get("count") or 1) + 1
        series = {"series": {"count": max(count, 2), "lastObservedTime": event_time}}
        await client.patch(path, series, Patch.MERGE, manager=names.FIELD_MANAGER)
