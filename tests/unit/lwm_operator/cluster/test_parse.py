import json
from typing import Any

from lwm_operator.cluster.parse import (
    is_controlled_by,
    parse_job,
    parse_preparation,
    parse_preparation_report,
    parse_progress,
    parse_renew_time,
    preparation_key,
)
from lwm_operator.plan.observed import PodState
from lwm_trainer.config import Phase, Preparation, Prepared
from simulation import builders
from simulation.builders import final, report

LABELS = {"lwm.dev/stage": "2", "lwm.dev/attempt": "3"}


def pod(status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    metadata = {"name": "p", "uid": "u", "labels": LABELS, "annotations": {"batch.kubernetes.io/job-completion-index": "1"}, **metadata}
    return {"metadata": metadata, "spec": {"nodeName": "node1"}, "status": status or {}}


def test_the_hosts_that_failed_are_read_from_the_jobs_status() -> None:
    body = {"metadata": {"name": "j", "uid": "u", "labels": LABELS}, "status": {"failedIndexes": "0,3-5,7"}}
    assert parse_job(body).failed_indexes == {0, 3, 4, 5, 7}
    assert parse_job({**body, "status": {}}).failed_indexes == frozenset()
    assert parse_job(body).template is None
    annotated = {**body, "metadata": {"name": "j", "uid": "u", "labels": LABELS, "annotations": {"lwm.dev/template": "t"}}}
    assert parse_job(annotated).template == "t"


def test_a_job_tells_its_pods_and_the_slices_of_its_attempt() -> None:
    body: dict[str, Any] = {"metadata": {"name": "j", "uid": "u", "labels": LABELS}, "spec": {"completions": 4}}
    assert (parse_job(body).hosts, parse_job(body).slices) == (4, 0)
    annotated = {**body, "metadata": {**body["metadata"], "annotations": {"lwm.dev/slices": "2"}}}
    assert parse_job(annotated).slices == 2
    assert parse_job({"metadata": body["metadata"]}).hosts == 0


def test_a_held_job_is_not_suspended_by_anybody_else() -> None:
    def parsed(suspend: bool, **annotations: str) -> tuple[bool, bool]:
        metadata = {"name": "j", "uid": "u", "labels": LABELS, "annotations": annotations}
        view = parse_job({"metadata": metadata, "spec": {"suspend": suspend}})
        return view.suspended, view.held

    annotation = {"lwm.dev/held": "true"}
    assert (parsed(True, **annotation), parsed(True), parsed(False, **annotation), parsed(False)) == (
        (False, True),
        (True, False),
        (False, False),
        (False, False),
    )


def test_the_image_of_a_job_is_that_of_its_trainer() -> None:
    containers = [{"name": "proxy", "image": "envoy:1"}, {"name": "trainer", "image": "trainer:1"}]
    body = {"metadata": {"name": "j", "uid": "u", "labels": LABELS}, "spec": {"template": {"spec": {"containers": containers}}}}
    assert parse_job(body).image == "trainer:1"
    assert parse_job({**body, "spec": {}}).image == ""


def test_a_job_has_failed_as_soon_as_its_controller_knows() -> None:
    body = {"metadata": {"name": "j", "uid": "u", "labels": LABELS}, "status": {"succeeded": 1}}
    assert (parse_job(body).failed, parse_job(body).succeeded) == (False, 1)
    condition = {"type": "FailureTarget", "status": "True", "message": "Pod failed"}
    failed = parse_job({**body, "status": {"conditions": [condition]}})
    assert (failed.failed, failed.message) == (True, "Pod failed")


def test_only_the_controller_with_this_uid_is_the_owner() -> None:
    body = {"metadata": {"ownerReferences": [{"uid": "a", "controller": True}, {"uid": "b"}]}}
    assert is_controlled_by(body, "a")
    assert not is_controlled_by(body, "b")
    assert not is_controlled_by({"metadata": {}}, "a")


def test_progress_is_read_from_the_lease_or_not_at_all() -> None:
    progress = report(step=5)
    lease = {"metadata": {"annotations": {"lwm.dev/progress": progress.model_dump_json(by_alias=True)}}}
    assert parse_progress(lease) == progress
    assert parse_progress({"metadata": {"annotations": {"lwm.dev/progress": "{"}}}) is None
    assert parse_progress({"metadata": {}}) is None


def test_progress_of_a_newer_trainer_is_read_without_what_is_new() -> None:
    progress = report(step=5, final=final())
    fields = progress.model_dump(mode="json", by_alias=True)
    newer = fields | {"mfu": 0.4, "final": fields["final"] | {"evaluation": {"loss": 2.5}}}
    assert parse_progress({"metadata": {"annotations": {"lwm.dev/progress": json.dumps(newer)}}}) == progress
    in_a_new_phase = parse_progress({"metadata": {"annotations": {"lwm.dev/progress": json.dumps(newer | {"phase": "OfTheFuture"})}}})
    assert in_a_new_phase == progress.model_copy(update={"phase": Phase.TRAINING})
    older = {name: value for name, value in fields.items() if value is not None and name not in ("idleSeconds", "tokensSeen")}
    assert parse_progress({"metadata": {"annotations": {"lwm.dev/progress": json.dumps(older)}}}) == progress


def test_a_preparation_report_of_a_newer_trainer_is_read_without_what_is_new() -> None:
    prepared = Prepared(uri="gs://b/datasets/h", documents=2, tokens=30)
    newer = {"shards": 1, "new": 1, "prepared": prepared.model_dump(by_alias=True) | {"checksum": "c"}}
    lease = {"metadata": {"annotations": {"lwm.dev/progress": json.dumps(newer)}}}
    assert parse_preparation_report(lease) == Preparation(shards=1, prepared=prepared)


def test_a_lease_that_nobody_renewed_has_no_time() -> None:
    assert parse_renew_time({"spec": {"renewTime": "2026-01-01T12:00:00.123456Z"}}) == "2026-01-01T12:00:00Z"
    assert parse_renew_time({"spec": {"renewTime": None}}) is None
    assert parse_renew_time({"spec": {"renewTime": "once"}}) is None
    assert parse_renew_time({"spec": {"holderIdentity": "p"}}) is None
    assert parse_renew_time({}) is None


def test_objects_of_a_preparation_are_told_apart_from_those_of_attempts() -> None:
    labels = {"lwm.dev/dataset": "books", "lwm.dev/run": "2"}
    assert preparation_key(pod(labels=labels)) == ("books", 2)
    assert preparation_key(pod()) is None
    job: dict[str, Any] = {"metadata": {"name": "j", "uid": "u1", "labels": labels}, "spec": {"completions": 2}, "status": {"succeeded": 1}}
    seen = parse_preparation(job, parse_job(job), (), None)
    assert (seen.dataset, seen.run, seen.workers, seen.complete) == ("books", 2, 2, False)
    job["status"]["succeeded"] = 2
    assert parse_preparation(job, parse_job(job), (), None).complete
    of_this = [{"uid": "u1", "controller": True}]
    assert is_controlled_by(pod(ownerReferences=of_this), "u1")
    assert not is_controlled_by(pod(), "u1"), "an earlier Job of the same name may have left pods"


def test_the_report_on_a_preparations_lease_is_parsed_or_is_none() -> None:
    def lease(text: str) -> dict[str, Any]:
        return {"metadata": {"annotations": {"lwm.dev/progress": text}}}

    preparation = Preparation(shards=3, prepared=Prepared(uri="gs://x", documents=1, tokens=2))
    assert parse_preparation_report(lease(preparation.model_dump_json(by_alias=True))) == preparation
    assert parse_preparation_report(lease("[]")) is None
    assert parse_preparation_report(lease('{"shards": "many"}')) is None
    assert parse_progress(lease(preparation.model_dump_json(by_alias=True))) is None


def test_a_preparation_is_complete_when_all_its_workers_have_ended_whatever_else_runs_in_their_pods() -> None:
    body = {"metadata": {"name": "d", "uid": "u", "labels": {}}, "spec": {"completions": 2}}
    job = parse_job(body)
    pods = tuple(builders.pod(index, state=PodState.SUCCEEDED, sidecars_run=True) for index in (0, 1))
    assert parse_preparation(body, job, pods, None).complete
    assert not parse_preparation(body, job, pods[:1], None).complete
