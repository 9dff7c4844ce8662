import inspect
import itertools
from typing import Any

import kopf
import pytest

from lwm_operator.cluster.port import TrainingKey
from lwm_operator.controller import handlers
from lwm_operator.controller.queue import KeyedQueue
from lwm_trainer.config import Preparation
from simulation.builders import report

LABELS = {"lwm.dev/training": "bible", "lwm.dev/stage": "1", "lwm.dev/attempt": "1"}
KEY = TrainingKey("default", "bible")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> KeyedQueue[TrainingKey]:
    return KeyedQueue(clock)


def registered(queue: KeyedQueue[TrainingKey]) -> dict[str, Any]:
    registry = kopf.OperatorRegistry()
    handlers.register(registry, queue)
    handlers_by_kind: dict[str, Any] = {}
    for handler in registry._watching.get_all_handlers():
        assert handler.selector is not None
        handlers_by_kind[str(handler.selector.any_name or handler.selector.plural)] = handler.fn
    return handlers_by_kind


def lease(**changes: Any) -> dict[str, Any]:
    progress = report(**changes).model_dump_json(by_alias=True)
    return {"metadata": {"labels": LABELS, "annotations": {"lwm.dev/progress": progress}}}


def written(generation: int = 1, **times: str) -> dict[str, Any]:
    """A training that these managers wrote last at these times."""
    entries = [{"manager": name.replace("_", "-"), "operation": "Update", "time": time} for name, time in times.items()]
    return {"metadata": {"generation": generation, "managedFields": entries}}


def taken(queue: KeyedQueue[TrainingKey]) -> TrainingKey | None:
    key = queue.poll()
    if key is not None:
        queue.done(key)
    return key


async def test_every_kind_leads_to_its_training(queue: KeyedQueue[TrainingKey]) -> None:
    callbacks = registered(queue)
    assert set(callbacks) == {"lwmtrainings", "jobs", "pods", "leases"}
    await callbacks["lwmtrainings"](namespace="default", name="bible", uid="t", type="ADDED", body=written())
    assert taken(queue) == KEY
    for kind in ("jobs", "pods"):
        await callbacks[kind](namespace="default", labels=LABELS)
        assert taken(queue) == KEY
    await callbacks["pods"](namespace="default", labels={})
    assert taken(queue) is None


async def test_handlers_are_coroutines_because_kopf_runs_others_in_threads(queue: KeyedQueue[TrainingKey]) -> None:
    assert all(inspect.iscoroutinefunction(handler) for handler in registered(queue).values())


async def test_the_operators_own_status_writes_wake_nobody_and_those_of_others_do(queue: KeyedQueue[TrainingKey]) -> None:
    tell = registered(queue)["lwmtrainings"]

    async def wakes(body: dict[str, Any], type: str | None = "MODIFIED") -> bool:
        await tell(namespace="default", name="bible", uid="t", type=type, body=body)
        return taken(queue) == KEY

    assert await wakes(written(kubectl="1"), "ADDED")
    assert not await wakes(written(kubectl="1", lwm_operator="2"))
    assert not await wakes(written(kubectl="1", lwm_operator="3"))
    assert await wakes(written(2, kubectl="1", lwm_operator="3")), "the spec was edited"
    assert await wakes(written(2, kubectl="1", lwm_operator="3", velero="4")), "somebody else wrote the status"
    assert await wakes(written(2, kubectl="1", lwm_operator="3", velero="4"), None), "every listing counts"
    deleting = written(2, kubectl="1", lwm_operator="3", velero="4")
    deleting["metadata"]["deletionTimestamp"] = "5"
    assert await wakes(deleting)
    assert await wakes(deleting, "DELETED")


async def test_a_status_write_during_a_back_off_does_not_end_it(queue: KeyedQueue[TrainingKey], clock: Clock) -> None:
    tell = registered(queue)["lwmtrainings"]
    await tell(namespace="default", name="bible", uid="t", type="ADDED", body=written(lwm_operator="1"))
    assert taken(queue) == KEY
    seconds = queue.retry(KEY)
    await tell(namespace="default", name="bible", uid="t", type="MODIFIED", body=written(lwm_operator="2"))
    assert taken(queue) is None
    clock.now += seconds
    assert taken(queue) == KEY


async def test_lease_events_without_news_wait_ten_seconds(queue: KeyedQueue[TrainingKey], clock: Clock) -> None:
    tell = registered(queue)["leases"]

    async def event(type: str | None = "MODIFIED", **changes: Any) -> None:
        await tell(namespace="default", labels=LABELS, uid="l", type=type, body=lease(**changes))

    await event(None, step=1)
    assert taken(queue) == KEY
    await event(step=2)
    assert taken(queue) is None
    clock.now += 10
    assert taken(queue) == KEY
    await event(step=3, committed_step=3)
    assert taken(queue) == KEY
    await event(step=4, committed_step=3, phase="Saving")
    assert taken(queue) == KEY
    await event("DELETED", step=4, committed_step=3, phase="Saving")
    assert taken(queue) == KEY


async def test_the_lease_of_a_preparation_waits_ten_seconds_too(queue: KeyedQueue[TrainingKey], clock: Clock) -> None:
    tell = registered(queue)["leases"]
    labels = {"lwm.dev/training": "bible", "lwm.dev/dataset": "books", "lwm.dev/run": "0"}
    for done, key in ((0, KEY), (1, None)):
        progress = Preparation(shards=8, shards_done=done).model_dump_json(by_alias=True)
        body = {"metadata": {"labels": labels, "annotations": {"lwm.dev/progress": progress}}}
        await tell(namespace="default", labels=labels, uid="l", type="MODIFIED", body=body)
        assert taken(queue) == key
    clock.now += 10
    assert taken(queue) == KEY


def test_kopf_only_watches() -> None:
    settings = handlers.kopf_settings()
    assert (settings.posting.enabled, settings.scanning.disabled, settings.peering.standalone) == (False, True, True)


def test_a_watch_that_fails_is_tried_for_ever() -> None:
    backoffs = handlers.kopf_settings().networking.error_backoffs
    assert not isinstance(backoffs, int | float)
    assert list(itertools.islice(backoffs, 100))[-1] == 60
