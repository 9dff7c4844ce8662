"""A training reads only what belongs to it by owner reference. Labels may be copied by anybody."""

from typing import Any

import pytest

from lwm_operator.api import names
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Body
from lwm_operator.cluster.snapshot import observe
from lwm_trainer.config import PROGRESS_ANNOTATION
from simulation.builders import NOW, UID, report, training
from support.in_memory_api import InMemoryApi

JOB = "bible-s1-a1"


def reference(uid: str, name: str = JOB, **changes: Any) -> Body:
    return {"kind": "Job", "name": name, "uid": uid, "controller": True, **changes}


def store(api: InMemoryApi, kind: str, name: str, *owners: Body, labels: dict[str, str] | None = None, **body: Any) -> str:
    """Store an object with a trainer pod's labels; return its uid."""
    labels = labels or names.labels("bible", UID, 1, 1) | {names.LABEL_SLICE: "0"}
    metadata = {"name": name, "namespace": "default", "labels": labels, "ownerReferences": list(owners), **body.pop("metadata", {})}
    return str(api.put(paths.item(kind, "default", name), {"metadata": metadata, **body})["metadata"]["uid"])


@pytest.fixture
def api() -> InMemoryApi:
    return InMemoryApi()


@pytest.fixture
def job_uid(api: InMemoryApi) -> str:
    return store(api, "Job", JOB, reference(UID, "bible"), spec={"parallelism": 2})


async def pod_names(api: InMemoryApi) -> list[str]:
    return [pod.name for pod in (await observe(api, training(), NOW)).pods]


async def test_a_pod_is_read_only_through_the_controller_reference_to_a_job_of_the_training(api: InMemoryApi, job_uid: str) -> None:
    store(api, "Pod", "ours", reference(job_uid))
    store(api, "Pod", "copy-without-owner")
    store(api, "Pod", "owned-without-control", reference(job_uid, controller=False))
    foreign = store(api, "Job", "foreign", spec={})
    store(api, "Pod", "of-a-foreign-job", reference(foreign, "foreign"))
    store(api, "Pod", "of-a-vanished-foreign-job", reference("another", "foreign"))
    assert await pod_names(api) == ["ours"]


async def test_a_foreign_job_with_the_name_and_labels_of_an_attempt_has_no_pods_here(api: InMemoryApi) -> None:
    store(api, "Pod", "its-pod", reference(store(api, "Job", JOB, spec={})))
    observed = await observe(api, training(), NOW)
    assert (observed.jobs, observed.pods) == ((), ())


@pytest.mark.parametrize(("job", "slice_label"), [(JOB, "0"), (f"{JOB}-x1", "1")])
async def test_pods_outlive_their_job_until_they_are_collected(api: InMemoryApi, job: str, slice_label: str) -> None:
    labels = names.labels("bible", UID, 1, 1) | {names.LABEL_SLICE: slice_label}
    store(api, "Pod", "left", reference("gone", job), labels=labels)
    assert await pod_names(api) == ["left"]
    store(api, "Job", job, reference(UID, "bible"), spec={})  # the same name, for another Job
    assert await pod_names(api) == ["left"]


async def test_a_lease_of_somebody_else_reports_nothing(api: InMemoryApi, job_uid: str) -> None:
    annotations = {PROGRESS_ANNOTATION: report(step=5).model_dump_json(by_alias=True)}
    spec = {"renewTime": "2026-01-01T12:00:00.000000Z"}
    store(api, "Lease", "copy", metadata={"annotations": annotations}, spec=spec)
    observed = await observe(api, training(), NOW)
    assert (observed.reports, observed.renewed) == ({}, {})
    store(api, "Lease", JOB, reference(UID, "bible"), metadata={"annotations": annotations}, spec=spec)
    assert (await observe(api, training(), NOW)).reports[1, 1].step == 5


async def test_preparations_count_only_the_pods_and_leases_that_are_theirs(api: InMemoryApi) -> None:
    labels = names.dataset_labels("bible", UID, "books", 0)
    uid = store(api, "Job", "bible-d1-r0", reference(UID, "bible"), labels=labels, spec={"completions": 1})
    store(api, "Pod", "worker", reference(uid, "bible-d1-r0"), labels=labels)
    store(api, "Pod", "copy", labels=labels)
    store(api, "Pod", "of-an-earlier-job", reference("earlier", "bible-d1-r0"), labels=labels)
    store(api, "Lease", "copy", labels=labels, metadata={"annotations": {PROGRESS_ANNOTATION: '{"shards": 8}'}})
    (preparation,) = (await observe(api, training(), NOW)).preparations
    assert [pod.name for pod in preparation.pods] == ["worker"]
    assert preparation.report is None
