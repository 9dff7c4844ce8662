from typing import Any

from lwm_operator.cluster.views import (
    job_view,
    made_by,
    node_lost,
    owned,
    pod_view,
    preparation_of,
    preparation_report,
    preparation_view,
    progress_of,
    renewed_at,
)
from lwm_operator.plan.observed import PodState
from lwm_trainer.config import Preparation, Prepared
from simulation.builders import report

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
    assert (failed.state, failed.exit_code, failed.termination_message and failed.termination_message.message) == (
        PodState.FAILED,
        65,
        "no text",
    )
    assert (failed.stage, failed.attempt, failed.index, failed.node) == (2, 3, 1, "node1")


def test_words_that_are_no_words_are_ignored() -> None:
    assert pod_view(pod(ended(1, message="Traceback ..."))).termination_message is None


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
    assert job_view(body).template is None
    made = {**body, "metadata": {"name": "j", "uid": "u", "labels": LABELS, "annotations": {"lwm.dev/template": "t"}}}
    assert job_view(made).template == "t"


def test_what_a_pod_waits_for() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2", "lastTransitionTime": "t"}
    waiting = pod_view(pod({"phase": "Pending", "conditions": [scheduled]})).waiting
    assert waiting is not None
    assert (waiting.reason, waiting.message, waiting.since) == ("Unschedulable", "0/2", "t")
    pulling = pod({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "m"}}}]})
    assert (pod_view(pulling).waiting or waiting).reason == "ErrImagePull"
    assert pod_view(pod({"phase": "Running"})).waiting is None


def waits(reason: str, message: str = "", image: str = "lwm-trainer:v9", **status: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod({"phase": "Pending", "containerStatuses": [{"name": "trainer", "image": image, "state": state}], **status})


def said(body: dict[str, Any]) -> tuple[str, str]:
    waiting = pod_view(body).waiting
    return (waiting.reason, waiting.message) if waiting is not None else ("", "")


def test_the_images_name_is_in_the_words_about_it() -> None:
    assert said(waits("ImagePullBackOff", 'Back-off pulling image "lwm-trainer:v9"')) == (
        "ImagePullBackOff",
        'Back-off pulling image "lwm-trainer:v9"',
    )
    assert said(waits("ErrImagePull", "no route to host")) == ("ErrImagePull", 'image "lwm-trainer:v9": no route to host')
    assert said(waits("ErrImagePull")) == ("ErrImagePull", 'image "lwm-trainer:v9"')
    missing = "CreateContainerConfigError", 'secret "x" not found'
    assert said(waits(*missing)) == missing


def test_a_pod_that_has_a_node_and_no_container_yet_is_being_set_up_since_it_has_the_node() -> None:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "t2"}
    fresh = pod_view(pod({"phase": "Pending", "conditions": [scheduled]}, creationTimestamp="t1")).waiting
    assert fresh is not None
    assert (fresh.reason, fresh.message, fresh.since) == ("ContainerCreating", "", "t2")
    assert said(waits("ContainerCreating")) == said(waits("PodInitializing")) == ("ContainerCreating", "")
    nowhere = pod({"phase": "Pending"})
    del nowhere["spec"]["nodeName"]
    assert pod_view(nowhere).waiting is None


def test_an_injected_container_that_cannot_be_pulled_is_told_of_and_only_the_trainers_end_is_an_end() -> None:
    injected = {"name": "proxy", "image": "proxy:1", "state": {"waiting": {"reason": "ErrImagePull", "message": "proxy:1: not found"}}}
    assert said(waits("PodInitializing", initContainerStatuses=[injected])) == ("ErrImagePull", "proxy:1: not found")
    proxy = {"name": "proxy", "state": {"terminated": {"exitCode": 1}}}
    both = {"phase": "Running", "containerStatuses": [proxy, {"name": "trainer", "state": {"running": {}}}]}
    assert pod_view(pod(both)).state == PodState.RUNNING


def test_claims_without_a_volume_are_named() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "unbound"}
    body = pod({"phase": "Pending", "conditions": [scheduled]})
    claims = [{"name": name, "persistentVolumeClaim": {"claimName": "shelf"}} for name in ("data", "checkpoint")]
    body["spec"] |= {"volumes": [{"name": "tmp", "emptyDir": {}}, *claims]}
    assert said(body) == ("Unschedulable", "unbound (claims: shelf)")
    scheduled["message"] = "2 Insufficient memory."
    assert said(body) == ("Unschedulable", "2 Insufficient memory.")


def test_a_running_pod_that_is_not_ready_is_one_whose_node_was_given_up() -> None:
    running = {"phase": "Running", "containerStatuses": [{"name": "trainer", "state": {"running": {}}}]}
    assert pod_view(pod(running)).ready
    assert not pod_view(pod({**running, "conditions": [{"type": "Ready", "status": "False"}]})).ready


def test_a_container_that_could_not_start_keeps_the_runtimes_words() -> None:
    assert pod_view(pod(ended(128, "StartError", 'exec: "python": executable file not found'))).message.startswith('exec: "python"')


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


def test_a_node_that_is_gone_or_not_ready_is_lost_and_says_why() -> None:
    def node(**ready: str) -> dict[str, Any]:
        return {"status": {"conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", **ready}]}}

    assert node_lost("node1", node(status="True")) is None
    silent = node_lost("node1", node(status="Unknown", message="Kubelet stopped posting node status.", lastTransitionTime="t"))
    assert silent is not None
    assert (silent.reason, silent.message, silent.since) == (
        "NodeNotReady",
        "node node1 is not ready: Kubelet stopped posting node status.",
        "t",
    )
    gone, new = node_lost("node1", None), node_lost("node1", {"metadata": {}})
    assert gone is not None
    assert new is not None
    assert (gone.message, new.message) == ("node node1 is gone", "node node1 is not ready: its kubelet has never reported")


def test_only_the_node_controller_clears_ready_alone() -> None:
    def said(ready: str, containers: str, reason: str = "") -> str | None:
        conditions = [
            {"type": "Ready", "status": ready, "reason": reason, "lastTransitionTime": "t"},
            {"type": "ContainersReady", "status": containers},
        ]
        return pod_view(pod({"phase": "Running", "conditions": conditions})).given_up

    assert said("False", "True") == "t"
    assert said("True", "True") is None
    assert said("False", "False", "ContainersNotReady") is None
    assert said("False", "True", "ReadinessGatesNotReady") is None
    assert pod_view(pod({"phase": "Running"})).given_up is None


def test_what_belongs_to_a_preparation_is_told_apart_from_attempts() -> None:
    labels = {"lwm.dev/dataset": "books", "lwm.dev/run": "2"}
    assert preparation_of(pod(labels=labels)) == ("books", 2)
    assert preparation_of(pod()) is None
    job: dict[str, Any] = {"metadata": {"name": "j", "uid": "u1", "labels": labels}, "spec": {"completions": 2}, "status": {"succeeded": 1}}
    seen = preparation_view(job, job_view(job), (), None)
    assert (seen.dataset, seen.run, seen.workers, seen.complete) == ("books", 2, 2, False)
    job["status"]["succeeded"] = 2
    assert preparation_view(job, job_view(job), (), None).complete
    of_this = [{"uid": "u1", "controller": True}]
    assert (made_by(pod(ownerReferences=of_this), job), made_by(pod(), job)) == (True, False), (
        "one of the same name before it may have left pods"
    )


def test_what_a_preparation_says_on_its_lease_is_read_and_nothing_else() -> None:
    def lease(text: str) -> dict[str, Any]:
        return {"metadata": {"annotations": {"lwm.dev/progress": text}}}

    said = Preparation(shards=3, prepared=Prepared(uri="gs://x", documents=1, tokens=2))
    assert preparation_report(lease(said.model_dump_json(by_alias=True))) == said
    assert preparation_report(lease(report().model_dump_json(by_alias=True))) is None
    assert progress_of(lease(said.model_dump_json(by_alias=True))) is None
