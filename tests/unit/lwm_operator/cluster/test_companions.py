"""An attempt that lacks an object is found at once while pods start, and within a minute while they all run."""

from datetime import datetime
from typing import Any

import pytest

from lwm_operator.cluster import paths
from lwm_operator.cluster.apply import carry_out
from lwm_operator.cluster.port import NotRestoredError
from lwm_operator.cluster.snapshot import observe
from lwm_operator.plan.actions import CreateAttempt, RestoreAttempt
from lwm_trainer.config import Start
from simulation.builders import NOW, UID, later, training
from support.in_memory_api import InMemoryApi

NAME = "bible-s1-a1"
CREATE = CreateAttempt(stage=1, attempt=1, start=Start(), template="t")
KINDS = ("Service", "ConfigMap", "Lease", "ServiceAccount", "Role", "RoleBinding")
OTHER_INTERVAL: dict[str, Any] = {"checkpoint": {"uri": "gs://lwm/runs", "saveIntervalSteps": 20}}


def place(kind: str) -> str:
    return paths.item(kind, "default", "bible" if kind == "Service" else NAME)


@pytest.fixture
async def api() -> InMemoryApi:
    """With attempt 1, its owner references and no pod yet."""
    api = InMemoryApi()
    await carry_out(api, training(), CREATE, "trainer:1")
    return api


async def incomplete(api: InMemoryApi, now: datetime = NOW) -> set[str]:
    return set((await observe(api, training(), now)).incomplete)


def run_all_pods(api: InMemoryApi) -> None:
    job = api.objects[place("Job")]
    for index in range(job["spec"]["parallelism"]):
        owner = {"kind": "Job", "name": NAME, "uid": job["metadata"]["uid"], "controller": True}
        metadata = {"name": f"{NAME}-{index}", "labels": job["spec"]["template"]["metadata"]["labels"], "ownerReferences": [owner]}
        body = {"metadata": metadata, "status": {"phase": "Running"}}
        api.put(paths.item("Pod", "default", f"{NAME}-{index}"), body)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_missing_object_is_found_and_restored(api: InMemoryApi, kind: str) -> None:
    assert await incomplete(api) == set()
    before = dict(api.objects)
    del api.objects[place(kind)]
    assert await incomplete(api) == {NAME}
    await carry_out(api, training(), RestoreAttempt(creation=CREATE), "trainer:1")
    assert await incomplete(api) == set()
    assert {path: body for path, body in api.objects.items() if path != place(kind)} == {
        path: body for path, body in before.items() if path != place(kind)
    }, "nothing else is written"
    assert api.objects[place(kind)]["metadata"]["ownerReferences"][0]["uid"] == UID


async def test_while_all_pods_run_one_look_of_six_reads_the_objects_and_every_one_sees_the_lease(api: InMemoryApi) -> None:
    run_all_pods(api)
    del api.objects[place("Service")]
    looks = [await incomplete(api, later(seconds)) for seconds in range(0, 60, 10)]
    assert sorted(looks, key=len) == [set()] * 5 + [{NAME}]
    del api.objects[place("Lease")]
    assert all([await incomplete(api, later(seconds)) == {NAME} for seconds in range(0, 60, 10)])


async def test_a_finished_attempt_lacks_nothing(api: InMemoryApi) -> None:
    del api.objects[place("ConfigMap")]
    job = api.objects[place("Job")]
    api.put(place("Job"), {**job, "status": {"conditions": [{"type": "Failed", "status": "True"}]}})
    assert await incomplete(api) == set()


async def test_a_run_config_is_restored_only_as_the_jobs_pods_have_read_it(api: InMemoryApi) -> None:
    await carry_out(api, training(**OTHER_INTERVAL), RestoreAttempt(creation=CREATE), "trainer:1")  # it exists: nothing to restore
    del api.objects[place("ConfigMap")]
    with pytest.raises(NotRestoredError, match="delete Job bible-s1-a1 to start the next attempt"):
        await carry_out(api, training(**OTHER_INTERVAL), RestoreAttempt(creation=CREATE), "trainer:1")
    assert place("ConfigMap") not in api.objects


async def test_nothing_is_restored_once_the_job_is_gone(api: InMemoryApi) -> None:
    del api.objects[place("Job")], api.objects[place("Lease")]
    await carry_out(api, training(), RestoreAttempt(creation=CREATE), "trainer:1")
    assert place("Lease") not in api.objects
