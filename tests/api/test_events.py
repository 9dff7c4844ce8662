"""Events on a real API server."""

from datetime import UTC, datetime

from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Client
from lwm_operator.cluster.events import event_name, post_event
from lwm_operator.plan.actions import Event
from support.api_requests import create


async def test_a_repeat_raises_the_count_of_the_event_that_is_there(client: Client, rights: Client, namespace: str) -> None:
    about = (await create(client, namespace)).metadata
    event = Event(reason="ActionFailed", message="Service bible exists", key="ActionFailed/x", type="Warning")
    counts = []
    for _ in range(3):
        await post_event(rights, about, event, datetime.now(UTC), "test")
        posted = await client.get(paths.item("Event", namespace, event_name(about, event)))
        assert posted is not None
        counts.append((posted.get("series") or {}).get("count"))
    assert counts == [None, 2, 3]
    core = await client.list(f"/api/v1/namespaces/{namespace}/events", fields=f"involvedObject.uid={about.uid},reason=ActionFailed")
    assert [(each["message"], each["type"]) for each in core] == [("Service bible exists", "Warning")]
