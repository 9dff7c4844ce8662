"""What actions do to objects that exist already: the training's own, those of an older spec, and somebody else's."""

import json
from dataclasses import replace
from typing import Any

import pytest

from lwm_operator.cluster import paths
from lwm_operator.cluster.apply import carry_out
from lwm_operator.cluster.client import ApiError, Body, Patch
from lwm_operator.cluster.parse import is_held
from lwm_operator.cluster.port import NameConflictError
from lwm_operator.plan.actions import CreateAttempt, CreatePreparation, DeleteAttempt
from lwm_trainer.config import Start
from simulation.builders import UID, stage, training
from support.in_memory_api import InMemoryApi

IMAGE = "trainer:1"
CREATE = CreateAttempt(stage=1, attempt=1, start=Start(), template="t")
CONFIG_MAP = paths.item("ConfigMap", "default", "bible-s1-a1")
JOB = paths.item("Job", "default", "bible-s1-a1")
TPU: dict[str, Any] = {
    "accelerator": {"type": "tpu", "tpu": {"family": "v5e", "topology": "2x4", "slices": 2}},
    "stages": [stage(mesh={"dp": 4, "fsdp": 2, "sp": 2}, batchTokens=8192)],
}


@pytest.fixture
def api() -> InMemoryApi:
    return InMemoryApi()


def interval(api: InMemoryApi) -> int:
    return int(json.loads(api.objects[CONFIG_MAP]["data"]["run.json"])["checkpoint"]["saveIntervalSteps"])


def refuse_jobs(api: InMemoryApi, *names: str) -> None:
    """A quota that admits no Job, or none of these."""

    def refuse(method: str, path: str, body: Body) -> None:
        if method == "POST" and path.endswith("/jobs") and (not names or body["metadata"]["name"] in names):
            raise ApiError(method, path, 403, "Forbidden", "exceeded quota")

    api.refuse = refuse


def edited(**changes: Any) -> dict[str, Any]:
    return {"checkpoint": {"uri": "gs://lwm/runs", "saveIntervalSteps": 20, **changes}}


async def create(api: InMemoryApi, **changes: Any) -> None:
    await carry_out(api, training(**changes), CREATE, IMAGE)


@pytest.mark.parametrize("fixed_user", [True, False])
async def test_the_platform_may_assign_the_user_of_an_attempts_pods(api: InMemoryApi, fixed_user: bool) -> None:
    await carry_out(api, training(), CREATE, IMAGE, fixed_user=fixed_user)
    security = api.objects[JOB]["spec"]["template"]["spec"]["securityContext"]
    assert ("runAsUser" in security, "fsGroup" in security) == (fixed_user, fixed_user)


@pytest.mark.parametrize("changes", [edited(), edited(maxToKeep=9), edited() | {"failurePolicy": {"hang": {"minSeconds": 900}}}])
async def test_an_edit_between_the_config_and_its_job_replaces_the_config(api: InMemoryApi, changes: dict[str, Any]) -> None:
    refuse_jobs(api)
    with pytest.raises(ApiError, match="exceeded quota"):
        await create(api)
    api.refuse = lambda method, path, body: None
    await create(api, **changes)
    assert (JOB in api.objects, interval(api)) == (True, 20)


async def test_the_config_of_a_job_stays_when_the_spec_is_edited(api: InMemoryApi) -> None:
    await create(api)
    uid = api.objects[CONFIG_MAP]["metadata"]["uid"]
    await create(api, **edited())
    assert (interval(api), api.objects[CONFIG_MAP]["metadata"]["uid"]) == (10, uid)


async def test_slices_that_are_created_later_read_the_config_of_the_first(api: InMemoryApi) -> None:
    refuse_jobs(api, "bible-s1-a1-x1")
    with pytest.raises(ApiError, match="exceeded quota"):
        await create(api, **TPU)
    api.refuse = lambda method, path, body: None
    await create(api, **TPU, **edited())
    assert {path.rpartition("/")[2] for path in api.objects if "/jobs/" in path} == {"bible-s1-a1-x0", "bible-s1-a1-x1"}
    assert interval(api) == 10


def slices(api: InMemoryApi) -> dict[str, tuple[bool, bool]]:
    """Whether each Job is suspended, and whether it is held, by name."""
    jobs = {path.rpartition("/")[2]: job for path, job in api.objects.items() if "/jobs/" in path}
    return {name: (job["spec"]["suspend"], is_held(job)) for name, job in sorted(jobs.items())}


async def test_a_slice_that_is_refused_leaves_none_running(api: InMemoryApi) -> None:
    refuse_jobs(api, "bible-s1-a1-x1")
    for _ in range(2):
        with pytest.raises(ApiError, match="exceeded quota"):
            await create(api, **TPU)
        assert slices(api) == {"bible-s1-a1-x0": (True, True)}


async def test_slices_run_as_soon_as_all_of_them_exist(api: InMemoryApi) -> None:
    await create(api, **TPU)
    assert slices(api) == {"bible-s1-a1-x0": (False, False), "bible-s1-a1-x1": (False, False)}
    annotations = api.objects[paths.item("Job", "default", "bible-s1-a1-x1")]["metadata"]["annotations"]
    assert annotations.pop("lwm.dev/run-config")
    assert annotations == {"lwm.dev/template": "t", "lwm.dev/slices": "2", "lwm.dev/first-host": "2"}


async def test_a_release_that_was_interrupted_is_completed_by_the_next_pass(api: InMemoryApi) -> None:
    def refuse(method: str, path: str, body: Body) -> None:
        if method == "PATCH" and path.endswith("-x1"):
            raise ApiError(method, path, 504, "Timeout", "no answer")

    api.refuse = refuse
    with pytest.raises(ApiError, match="no answer"):
        await create(api, **TPU)
    assert slices(api) == {"bible-s1-a1-x0": (False, False), "bible-s1-a1-x1": (True, True)}
    refuse_jobs(api)  # the Jobs of this attempt use the quota up, and it refuses their own names as well
    await create(api, **TPU)
    assert slices(api) == {"bible-s1-a1-x0": (False, False), "bible-s1-a1-x1": (False, False)}


async def test_a_held_slice_of_an_older_spec_is_created_again_so_that_all_slices_run_the_same(api: InMemoryApi) -> None:
    refuse_jobs(api, "bible-s1-a1-x1")
    with pytest.raises(ApiError, match="exceeded quota"):
        await carry_out(api, training(**TPU, image="wrong:1"), CREATE, IMAGE)
    api.refuse = lambda method, path, body: None
    await carry_out(api, training(**TPU, image="right:1"), replace(CREATE, template="u"), IMAGE)
    created = [api.objects[paths.item("Job", "default", f"bible-s1-a1-x{index}")] for index in (0, 1)]
    assert {job["spec"]["template"]["spec"]["containers"][0]["image"] for job in created} == {"right:1"}
    assert slices(api) == {"bible-s1-a1-x0": (False, False), "bible-s1-a1-x1": (False, False)}
    uids = [job["metadata"]["uid"] for job in created]
    await carry_out(api, training(**TPU, image="late:1"), replace(CREATE, template="v"), IMAGE)
    assert [api.objects[paths.item("Job", "default", f"bible-s1-a1-x{index}")]["metadata"]["uid"] for index in (0, 1)] == uids


async def test_a_slice_that_somebody_else_suspends_is_left_to_them(api: InMemoryApi) -> None:
    await create(api, **TPU)
    path = paths.item("Job", "default", "bible-s1-a1-x1")
    await api.patch(path, {"spec": {"suspend": True}}, Patch.MERGE, manager="somebody")
    await create(api, **TPU)
    assert slices(api)["bible-s1-a1-x1"] == (True, False)


async def test_the_config_of_a_preparation_without_a_job_is_replaced_too(api: InMemoryApi) -> None:
    action = CreatePreparation(number=1, run=0, template="t")
    spec: dict[str, Any] = {"datasets": [{"name": "books", "source": {"uri": "gs://lwm/books"}, "preparation": {"workers": 2}}]}
    await carry_out(api, training(**spec), action, IMAGE)
    path = paths.item("ConfigMap", "default", "bible-d1-r0")
    written = api.objects[path]["data"]
    del api.objects[paths.item("Job", "default", "bible-d1-r0")]
    api.put(path, {**api.objects[path], "data": {"run.json": "of an older operator"}})
    await carry_out(api, training(**spec), action, IMAGE)
    assert api.objects[path]["data"] == written


@pytest.mark.parametrize(
    "path", [CONFIG_MAP, JOB, paths.item("Service", "default", "bible"), paths.item("Lease", "default", "bible-s1-a1")]
)
async def test_an_object_of_somebody_else_is_never_changed(api: InMemoryApi, path: str) -> None:
    foreign = api.put(path, {"metadata": {"name": path.rpartition("/")[2]}})
    with pytest.raises(NameConflictError, match="belongs to another owner"):
        await create(api)
    assert api.objects[path] == foreign


@pytest.mark.parametrize("owned", [False, True], ids=["before-the-creation", "before-the-update"])
async def test_an_object_that_somebody_else_makes_after_the_look_is_not_taken_over(api: InMemoryApi, owned: bool) -> None:
    path = paths.item("Lease", "default", "bible-s1-a1")
    if owned:
        api.put(path, {"metadata": {"name": "bible-s1-a1", "ownerReferences": [{"uid": UID, "controller": True}]}})
    foreign: Body = {"metadata": {"name": "bible-s1-a1"}, "spec": {"holderIdentity": "somebody else"}}

    def overtake(method: str, at: str, body: Body) -> None:
        if body.get("kind") == "Lease":
            api.objects.pop(path, None)
            api.put(path, foreign)

    api.refuse = overtake
    with pytest.raises(ApiError, match="409"):
        await create(api)
    assert api.objects[path]["spec"] == foreign["spec"]
    assert "ownerReferences" not in api.objects[path]["metadata"]


async def test_what_a_deleted_job_leaves_is_removed_and_the_lease_goes_last(api: InMemoryApi) -> None:
    await create(api)
    del api.objects[JOB]
    service = paths.item("Service", "default", "bible")
    order: list[str] = []
    api.refuse = lambda method, path, body: order.append(path.split("/")[-2])
    await carry_out(api, training(), DeleteAttempt(stage=1, attempt=1, jobs=()), IMAGE)
    assert set(api.objects) == {service}
    assert order[-1] == "leases", "while it exists, the rest is tried again"
