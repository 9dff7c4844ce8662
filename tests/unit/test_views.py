from typing import Any

from lwm_operator.cluster.views import job_view, node_ready, owned, pod_view, progress_of, renewed_at
from lwm_operator.plan.observed import PodState
from world.builders import report

LABELS = {"lwm.dev/stage": "2", "lwm.dev/attempt": "3"}


def pod(status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    about = {"name": "p", "uid": "u", "labels": LABELS, "annotations": {"batch.kubernetes.io/job-completion-index": "1"}, **metadata}
    return {"metadata": about, "spec": {"nodeName": "node1"}, "status": status or {}}


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    terminated = {"exitCode": code, "reason": reason, "message": message}
    return {"phase": "Running", "containerStatuses": [{"state": {"terminated": terminated}, "image": "i"}]}


def test_an_ended_container_decides_before_the_phase_does() -> None:
    assert pod_view(pod(ended(0))).state == PodState.SUCCEEDED
    failed = pod_view(pod(ended(65, message='{"code":65,"reason":"BAD_DATA","message":"no text"}')))
    assert (failed.state, failed.exit_code, failed.words and failed.words.message) == (PodState.FAILED, 65, "no text")
    assert (failed.stage, failed.attempt, failed.index, failed.node) == (2, 3, 1, "node1")


def test_words_that_are_no_words_are_ignored() -> None:
    assert pod_view(pod(ended(1, message="Traceback ..."))).words is None


def test_out_of_memory_and_evictions_keep_their_reason() -> None:
    assert pod_view(pod(ended(137, "OOMKilled"))).reason == "OOMKilled"
    evicted = pod_view(pod({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}))
    assert (evicted.state, evicted.reason, evicted.message) == (PodState.FAILED, "Evicted", "The node was low on memory.")
    condition = {"type": "DisruptionTarget", "status": "True", "message": "taint manager"}
    assert pod_view(pod({**ended(143), "conditions": [condition]})).reason == "Evicted"


def test_a_disruption_says_which_one_it_was() -> None:
    for said, reason in (
        ("PreemptionByScheduler", "Preempted"),
        ("EvictionByEvictionAPI", "Evicted"),
        ("DeletionByTaintManager", "TaintedNode"),
        ("DeletionByPodGC", "NodeGone"),
        ("SomethingNew", "Evicted"),
    ):
        condition = {"type": "DisruptionTarget", "status": "True", "reason": said}
        assert pod_view(pod({**ended(137), "conditions": [condition]})).reason == reason


def test_the_memory_limit_goes_along_for_whoever_runs_out_of_it() -> None:
    body = pod(ended(137, "OOMKilled"))
    body["spec"]["containers"] = [{"resources": {"limits": {"memory": "2Gi"}}}]
    assert pod_view(body).memory_limit == "2Gi"
    assert pod_view(pod()).memory_limit == ""


def test_the_hosts_that_failed_are_read_from_the_jobs_own_words() -> None:
    body = {"metadata": {"name": "j", "uid": "u", "labels": LABELS}, "status": {"failedIndexes": "0,3-5,7"}}
    assert job_view(body).failed_indexes == {0, 3, 4, 5, 7}
    assert job_view({**body, "status": {}}).failed_indexes == frozenset()


def test_what_a_pod_waits_for() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2", "lastTransitionTime": "t"}
    waiting = pod_view(pod({"phase": "Pending", "conditions": [scheduled]})).waiting
    assert waiting is not None
    assert (waiting.reason, waiting.message, waiting.since) == ("Unschedulable", "0/2", "t")
    pulling = pod({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "m"}}}]})
    assert (pod_view(pulling).waiting or waiting).reason == "ErrImagePull"
    assert pod_view(pod({"phase": "Running"})).waiting is None


def test_a_pod_that_is_being_deleted_says_how_fast() -> None:
    leaving = pod_view(pod({"phase": "Running"}, deletionTimestamp="t", deletionGracePeriodSeconds=5))
    assert (leaving.deleting, leaving.grace_seconds) == (True, 5)
    assert not pod_view(pod({"phase": "Running"})).deleting


def test_a_job_has_failed_as_soon_as_its_controller_knows() -> None:
    body = {"metadata": {"name": "j", "uid": "u", "labels": LABELS}, "status": {"succeeded": 1}}
    assert (job_view(body).failed, job_view(body).succeeded) == (False, 1)
    condition = {"type": "FailureTarget", "status": "True", "message": "Pod failed"}
    failed = job_view({**body, "status": {"conditions": [condition]}})
    assert (failed.failed, failed.message) == (True, "Pod failed")


def test_only_the_controller_with_this_uid_is_the_owner() -> None:
    body = {"metadata": {"ownerReferences": [{"uid": "a", "controller": True}, {"uid": "b"}]}}
    assert owned(body, "a")
    assert not owned(body, "b")
    assert not owned({"metadata": {}}, "a")


def test_progress_is_read_from_the_lease_or_not_at_all() -> None:
    said = report(step=5)
    lease = {"metadata": {"annotations": {"lwm.dev/progress": said.model_dump_json(by_alias=True)}}}
    assert progress_of(lease) == said
    assert progress_of({"metadata": {"annotations": {"lwm.dev/progress": "{"}}}) is None
    assert progress_of({"metadata": {}}) is None


def test_a_lease_that_nobody_renewed_has_no_time() -> None:
    assert renewed_at({"spec": {"renewTime": "2026-01-01T12:00:00.123456Z"}}) == "2026-01-01T12:00:00Z"
    assert renewed_at({"spec": {"renewTime": None}}) is None
    assert renewed_at({"spec": {"renewTime": "once"}}) is None
    assert renewed_at({"spec": {"holderIdentity": "p"}}) is None
    assert renewed_at({}) is None


def test_a_node_that_is_gone_is_not_ready() -> None:
    assert node_ready({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    assert not node_ready({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})
    assert not node_ready(None)
