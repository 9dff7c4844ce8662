import json
from typing import Any

from lwm_operator.cluster.parse_pods import parse_pod
from lwm_operator.plan.observed import PodState
from lwm_trainer.config import TerminationMessage
from simulation.builders import final

LABELS = {"lwm.dev/stage": "2", "lwm.dev/attempt": "3"}


def pod(status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    metadata = {"name": "p", "uid": "u", "labels": LABELS, "annotations": {"batch.kubernetes.io/job-completion-index": "1"}, **metadata}
    return {"metadata": metadata, "spec": {"nodeName": "node1"}, "status": status or {}}


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    terminated = {"exitCode": code, "reason": reason, "message": message}
    return {"phase": "Running", "containerStatuses": [{"name": "trainer", "state": {"terminated": terminated}, "image": "i"}]}


def test_an_ended_container_decides_before_the_phase_does() -> None:
    assert parse_pod(pod(ended(0))).state == PodState.SUCCEEDED
    failed = parse_pod(pod(ended(65, message='{"code":65,"reason":"BAD_DATA","message":"no text"}')))
    assert (failed.state, failed.exit_code, failed.termination_message and failed.termination_message.message) == (
        PodState.FAILED,
        65,
        "no text",
    )
    assert (failed.stage, failed.attempt, failed.index, failed.node) == (2, 3, 1, "node1")


def test_the_termination_message_of_a_newer_trainer_is_read_without_what_is_new() -> None:
    message = TerminationMessage(code=0, reason="Complete", step=60, final=final())
    fields = message.model_dump(mode="json", by_alias=True)
    newer = fields | {"mfu": 0.4, "final": fields["final"] | {"evaluation": 2.5}}
    assert parse_pod(pod(ended(0, message=json.dumps(newer)))).termination_message == message


def test_a_termination_message_that_cannot_be_parsed_is_ignored() -> None:
    assert parse_pod(pod(ended(1, message="Traceback ..."))).termination_message is None


def test_out_of_memory_and_evictions_keep_their_reason() -> None:
    assert parse_pod(pod(ended(137, "OOMKilled"))).reason == "OOMKilled"
    evicted = parse_pod(pod({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}))
    assert (evicted.state, evicted.reason, evicted.message) == (PodState.FAILED, "Evicted", "The node was low on resource: memory.")
    condition = {"type": "DisruptionTarget", "status": "True", "message": "taint manager"}
    assert parse_pod(pod({**ended(143), "conditions": [condition]})).reason == "Evicted"


def test_what_a_pod_waits_for() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2", "lastTransitionTime": "t"}
    waiting = parse_pod(pod({"phase": "Pending", "conditions": [scheduled]})).waiting
    assert waiting is not None
    assert (waiting.reason, waiting.message, waiting.since) == ("Unschedulable", "0/2", "t")
    pulling = pod(
        {"phase": "Pending", "containerStatuses": [{"name": "trainer", "state": {"waiting": {"reason": "ErrImagePull", "message": "m"}}}]}
    )
    assert (parse_pod(pulling).waiting or waiting).reason == "ErrImagePull"
    assert parse_pod(pod({"phase": "Running"})).waiting is None


def waits(reason: str, message: str = "", image: str = "lwm-trainer:v9", **status: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod({"phase": "Pending", "containerStatuses": [{"name": "trainer", "image": image, "state": state}], **status})


def waiting_of(body: dict[str, Any]) -> tuple[str, str]:
    waiting = parse_pod(body).waiting
    return (waiting.reason, waiting.message) if waiting is not None else ("", "")


def test_a_message_about_an_image_has_its_name() -> None:
    assert waiting_of(waits("ImagePullBackOff", 'Back-off pulling image "lwm-trainer:v9"')) == (
        "ImagePullBackOff",
        'Back-off pulling image "lwm-trainer:v9"',
    )
    assert waiting_of(waits("ErrImagePull", "no route to host")) == ("ErrImagePull", 'image "lwm-trainer:v9": no route to host')
    assert waiting_of(waits("ErrImagePull")) == ("ErrImagePull", 'image "lwm-trainer:v9"')
    missing = "CreateContainerConfigError", 'secret "x" not found'
    assert waiting_of(waits(*missing)) == missing


def test_a_pod_that_has_a_node_and_no_container_yet_is_being_set_up_since_it_has_the_node() -> None:
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "t2"}
    fresh = parse_pod(pod({"phase": "Pending", "conditions": [scheduled]}, creationTimestamp="t1")).waiting
    assert fresh is not None
    assert (fresh.reason, fresh.message, fresh.since) == ("ContainerCreating", "", "t2")
    assert waiting_of(waits("ContainerCreating")) == waiting_of(waits("PodInitializing")) == ("ContainerCreating", "")
    nowhere = pod({"phase": "Pending"})
    del nowhere["spec"]["nodeName"]
    assert parse_pod(nowhere).waiting is None


def test_an_injected_container_that_cannot_be_pulled_is_told_of_and_only_the_trainers_end_is_an_end() -> None:
    injected = {"name": "proxy", "image": "proxy:1", "state": {"waiting": {"reason": "ErrImagePull", "message": "proxy:1: not found"}}}
    assert waiting_of(waits("PodInitializing", initContainerStatuses=[injected])) == ("ErrImagePull", "proxy:1: not found")
    proxy = {"name": "proxy", "state": {"terminated": {"exitCode": 1}}}
    both = {"phase": "Running", "containerStatuses": [proxy, {"name": "trainer", "state": {"running": {}}}]}
    assert parse_pod(pod(both)).state == PodState.RUNNING


def test_claims_without_a_volume_are_named() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "unbound"}
    body = pod({"phase": "Pending", "conditions": [scheduled]})
    claims = [{"name": name, "persistentVolumeClaim": {"claimName": "shelf"}} for name in ("data", "checkpoint")]
    body["spec"] |= {"volumes": [{"name": "tmp", "emptyDir": {}}, *claims]}
    assert waiting_of(body) == ("Unschedulable", "unbound (claims: shelf)")
    scheduled["message"] = "2 Insufficient memory."
    assert waiting_of(body) == ("Unschedulable", "2 Insufficient memory.")


def test_a_running_pod_that_is_not_ready_is_one_whose_node_was_given_up() -> None:
    running = {"phase": "Running", "containerStatuses": [{"name": "trainer", "state": {"running": {}}}]}
    assert parse_pod(pod(running)).ready
    assert not parse_pod(pod({**running, "conditions": [{"type": "Ready", "status": "False"}]})).ready


def test_a_container_that_could_not_start_keeps_the_runtimes_words() -> None:
    assert parse_pod(pod(ended(128, "StartError", 'exec: "python": executable file not found'))).message.startswith('exec: "python"')


def test_a_pod_that_is_being_deleted_says_how_fast() -> None:
    leaving = parse_pod(pod({"phase": "Running"}, deletionTimestamp="t", deletionGracePeriodSeconds=5))
    assert (leaving.deleting, leaving.grace_seconds) == (True, 5)
    assert not parse_pod(pod({"phase": "Running"})).deleting


def test_only_the_node_controller_clears_ready_alone() -> None:
    def given_up_since(ready: str, containers: str, reason: str = "") -> str | None:
        conditions = [
            {"type": "Ready", "status": ready, "reason": reason, "lastTransitionTime": "t"},
            {"type": "ContainersReady", "status": containers},
        ]
        return parse_pod(pod({"phase": "Running", "conditions": conditions})).node_lost_since

    assert given_up_since("False", "True") == "t"
    assert given_up_since("True", "True") is None
    assert given_up_since("False", "False", "ContainersNotReady") is None
    assert given_up_since("False", "True", "ReadinessGatesNotReady") is None
    assert parse_pod(pod({"phase": "Running"})).node_lost_since is None


def test_sidecars_run_on_when_the_trainer_has_ended_and_another_container_has_not() -> None:
    trainer = ended(1)["containerStatuses"][0]
    over, proxy = {"state": {"terminated": {"exitCode": 0}}}, {"name": "istio-proxy", "state": {"running": {}}}
    for statuses, run in (
        ([proxy, trainer], True),
        ([proxy | over, trainer], False),
        ([trainer], False),
        ([proxy, {"name": "trainer", "state": {"running": {}}}], False),
    ):
        assert parse_pod(pod({"phase": "Running", "containerStatuses": statuses})).sidecars_run is run
    native = {"phase": "Running", "containerStatuses": [trainer], "initContainerStatuses": [proxy]}
    assert not parse_pod(pod(native)).sidecars_run, "the kubelet ends native sidecars"
