"""The operator's passes, with the rights that the chart gives it, on a real API server with its controllers (no pod needs to run)."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from lwm_operator.api import names
from lwm_operator.api.status import NodeFault, Phase, Status
from lwm_operator.api.training import Training
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Client, Patch
from lwm_operator.cluster.port import ClusterError, NameConflictError
from lwm_operator.cluster.status import patch_status, write_status
from lwm_operator.plan.status.unreadable import unreadable_status
from lwm_trainer.config import PROGRESS_ANNOTATION
from simulation.builders import stage
from support.api_requests import create, reload
from support.reconcile_passes import KINDS, Operator, children, until


async def test_one_pass_makes_the_attempt_and_the_next_changes_nothing(client: Client, rights: Client, namespace: str) -> None:
    operator, training = Operator(rights), await create(client, namespace)
    await operator.reconcile(training)
    listed = await children(client, training)
    assert {kind: [body["metadata"]["name"] for body in bodies] for kind, bodies in listed.items() if kind != "Pod"} == {
        kind: ["bible" if kind == "Service" else "bible-s1-a1"] for kind in KINDS if kind != "Pod"
    }
    for bodies in listed.values():
        for body in bodies:
            owner = body["metadata"]["ownerReferences"][0]
            assert (owner["kind"], owner["controller"]) in ((names.KIND, True), ("Job", True))

    async def settled() -> bool:
        await operator.reconcile(training)
        return (await reload(client, training)).status.reason not in ("Creating", "PodsMissing")

    await until(settled)
    versions = {body["metadata"]["uid"]: body["metadata"]["resourceVersion"] for body in (await children(client, training))["Service"]}
    for _ in range(3):
        await operator.reconcile(training)
    again = {body["metadata"]["uid"]: body["metadata"]["resourceVersion"] for body in (await children(client, training))["Service"]}
    assert again == versions
    found_now = await reload(client, training)
    assert (found_now.status.current_stage, found_now.status.attempt, found_now.status.phase) == (1, 1, Phase.STARTING)


async def test_a_spec_without_sense_gets_no_child_and_says_why(client: Client, rights: Client, namespace: str) -> None:
    model = {"layers": 4, "width": 126, "heads": 2, "kvHeads": 2, "headDim": 64, "mlpWidth": 512, "vocabSize": 2048}
    training = await create(client, namespace, model=model)
    await Operator(rights).reconcile(training)
    assert all(not bodies for bodies in (await children(client, training)).values())
    accepted = {condition.type: condition for condition in (await reload(client, training)).status.conditions}["Accepted"]
    assert (accepted.status, accepted.reason) == ("False", "InvalidSpec")
    assert "spec.model.width: 126 is not a multiple of fsdp x sp = 4" in accepted.message


async def test_a_training_that_cannot_be_parsed_says_so_and_keeps_the_rest_of_its_status(
    client: Client, rights: Client, namespace: str
) -> None:
    operator, training = Operator(rights), await create(client, namespace)
    await operator.reconcile(training)
    before = await reload(client, training)
    said_so = unreadable_status("spec.stages: wrong", before.status.conditions, 1, datetime.now(UTC))
    await patch_status(rights, before.metadata, said_so)
    after = (await reload(client, training)).status
    assert (after.phase, after.reason, after.stages) == (Phase.PENDING, "Unreadable", before.status.stages)
    await operator.reconcile(training)
    again = (await reload(client, training)).status
    assert (again.phase, {each.type: each.status for each in again.conditions}["Accepted"]) == (Phase.STARTING, "True")


async def test_a_topology_that_does_not_exist_is_refused_with_those_next_to_it(client: Client, rights: Client, namespace: str) -> None:
    wrong = {"type": "tpu", "tpu": {"family": "v5p", "topology": "4x4x3"}}
    training = await create(client, namespace, accelerator=wrong, stages=[stage(mesh={"fsdp": 16, "sp": 4}, batchTokens=512 * 16)])
    await Operator(rights).reconcile(training)
    assert all(not bodies for bodies in (await children(client, training)).values())
    status = (await reload(client, training)).status
    words = "spec.accelerator.tpu: unknown topology 4x4x3 of v5p: use 4x4x4, 2x4x4"
    accepted = {condition.type: condition for condition in status.conditions}["Accepted"]
    assert (accepted.status, accepted.reason) == ("False", "InvalidSpec")
    assert words in accepted.message
    assert (status.phase, status.reason) == (Phase.PENDING, "InvalidSpec")
    assert words in status.message


async def test_a_job_that_is_already_there_is_adopted(client: Client, rights: Client, namespace: str) -> None:
    operator, training = Operator(rights), await create(client, namespace)
    await operator.reconcile(training)
    uid = (await children(client, training))["Job"][0]["metadata"]["uid"]
    # As if the operator had died between the Job and all later looks: its status is as it was before.
    intent = (await reload(client, training)).status
    await write_status(client, await reload(client, training), Status())
    await operator.reconcile(training)
    jobs = (await children(client, training))["Job"]
    assert [job["metadata"]["uid"] for job in jobs] == [uid]
    assert (await reload(client, training)).status.attempt == intent.attempt == 1


async def test_what_belongs_to_somebody_else_is_not_touched(client: Client, rights: Client, namespace: str) -> None:
    service = {"metadata": {"name": "bible"}, "spec": {"ports": [{"port": 80}]}}
    await client.call("POST", paths.collection("Service", namespace), body=service)
    training = await create(client, namespace)
    with pytest.raises(NameConflictError, match="Service bible exists but belongs to another owner"):
        await Operator(rights).reconcile(training)
    service_after = await client.get(paths.item("Service", namespace, "bible"))
    assert service_after is not None
    assert [port["port"] for port in service_after["spec"]["ports"]] == [80]
    assert (await children(client, training))["Job"] == []


async def test_a_status_from_an_old_look_is_refused_and_an_equal_one_not_written(client: Client, namespace: str) -> None:
    training = await create(client, namespace)
    assert not await write_status(client, training, training.status)
    assert await write_status(client, training, Status(phase=Phase.RUNNING, message="first"))
    with pytest.raises(ApiError) as refused:
        await write_status(client, training, Status(phase=Phase.RUNNING, message="second"))
    assert refused.value.code == 409
    assert (await reload(client, training)).status.message == "first"


async def test_a_field_that_is_no_longer_sent_disappears(client: Client, namespace: str) -> None:
    training = await create(client, namespace)
    await write_status(client, training, Status(message="gone soon", current_stage=1))
    await write_status(client, await reload(client, training), Status())
    body = await client.get(paths.item(names.KIND, namespace, "bible"))
    assert body is not None
    assert (body["status"].get("currentStage"), body["status"]["message"]) == (None, "")


async def test_the_spec_and_metadata_of_a_training_are_never_written(client: Client, rights: Client, namespace: str) -> None:
    training = await create(client, namespace)
    await Operator(rights).reconcile(training)
    body = await client.get(paths.item(names.KIND, namespace, "bible"))
    assert body is not None
    managers = {entry["manager"]: entry.get("subresource") for entry in body["metadata"]["managedFields"]}
    assert managers[names.FIELD_MANAGER] == "status"
    assert body["metadata"]["generation"] == 1


async def test_a_deleted_training_leaves_nothing(client: Client, rights: Client, namespace: str) -> None:
    operator, training = Operator(rights), await create(client, namespace)
    await operator.reconcile(training)
    await until(lambda: _count(client, training, "Pod", 2))
    await client.call("DELETE", paths.item(names.KIND, namespace, "bible"))

    async def nothing() -> bool:
        await operator.reconcile(training)
        return not any((await children(client, training)).values())

    await until(nothing)


async def _count(client: Client, training: Training, kind: str, wanted: int) -> bool:
    return len((await children(client, training))[kind]) == wanted


async def test_a_lost_pod_brings_the_next_attempt_and_old_ones_are_pruned(client: Client, rights: Client, namespace: str) -> None:
    operator, training = Operator(rights), await create(client, namespace, stages=[stage(steps=5)])
    for attempt in range(1, 5):

        async def has_both_pods(number: int = attempt) -> bool:
            operator.ahead += timedelta(seconds=400)
            await operator.reconcile(training)
            pods = await client.list(paths.collection("Pod", namespace), f"{names.LABEL_ATTEMPT}={number}")
            return (await reload(client, training)).status.attempt == number and len(pods) == 2

        await until(has_both_pods)
        if attempt < 4:
            await client.call("DELETE", paths.item("Pod", namespace, await _pod(client, namespace, attempt)))
    status = (await reload(client, training)).status
    assert (status.phase, status.summary.restarts) == (Phase.RECOVERING, 3)
    causes = {record.number: record.root_cause.reason for record in status.stages[0].recent_attempts if record.root_cause is not None}
    assert set(causes) == {1, 2, 3}

    async def pruned() -> bool:
        await operator.reconcile(training)
        listed = await children(client, training)
        left = {kind: {body["metadata"]["labels"].get(names.LABEL_ATTEMPT) for body in bodies} for kind, bodies in listed.items()}
        return all("1" not in attempts for attempts in left.values()) and left["Job"] == {"2", "3", "4"}

    await until(pruned)


async def _pod(client: Client, namespace: str, attempt: int) -> str:
    pods = await client.list(paths.collection("Pod", namespace), f"{names.LABEL_ATTEMPT}={attempt}")
    return str(pods[0]["metadata"]["name"])


async def test_progress_is_shown_and_a_pod_may_write_its_own_lease_only(client: Client, rights: Client, namespace: str) -> None:
    operator, training = Operator(rights), await create(client, namespace)
    await operator.reconcile(training)
    review = {
        "spec": {
            "user": f"system:serviceaccount:{namespace}:bible-s1-a1",
            "resourceAttributes": {"group": "coordination.k8s.io", "resource": "leases", "namespace": namespace, "verb": "patch"},
        }
    }
    for name, allowed in (("bible-s1-a1", True), ("bible-s1-a2", False)):
        review["spec"]["resourceAttributes"]["name"] = name  # type: ignore[index]
        answer = await client.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=review)
        assert answer["status"]["allowed"] is allowed
    report = '{"attempt":1,"phase":"Compiling","phaseDeadlineSeconds":600,"step":0,"steps":60}'
    lease = {"metadata": {"annotations": {"lwm.dev/progress": report}}, "spec": {"holderIdentity": "bible-s1-a1-0"}}
    await client.patch(paths.item("Lease", namespace, "bible-s1-a1"), lease, Patch.MERGE, manager="trainer")
    await operator.reconcile(training)
    assert (await reload(client, training)).status.summary.step == "0/60"


async def test_the_story_is_in_the_events(client: Client, rights: Client, namespace: str) -> None:
    training = await create(client, namespace)
    await Operator(rights).reconcile(training)
    listed = await client.list(paths.collection("Event", namespace))
    ours = [event for event in listed if event.get("reportingController") == "lwm.dev/operator"]
    assert sorted(event["reason"] for event in ours) == ["AttemptStarted", "StageStarted"]
    assert "stage 1/1 ctx512: context 512" in next(event["note"] for event in ours if event["reason"] == "StageStarted")


async def test_pods_that_a_quota_forbids_are_explained(client: Client, rights: Client, namespace: str) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await client.call("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", body=quota)
    operator, training = Operator(rights), await create(client, namespace)

    async def explained() -> bool:
        again = await operator.reconcile(training)
        status = (await reload(client, training)).status
        return status.reason == "QuotaExceeded" and "exceeded quota: none" in status.message and again is not None

    await until(explained, 40)


async def test_nodes_that_failed_again_and_again_get_no_pod(client: Client, rights: Client, namespace: str) -> None:
    nodes = [node["metadata"]["name"] for node in await client.list("/api/v1/nodes")]
    assert len(nodes) >= 2, "one node to avoid, one to go to"
    training = await create(client, namespace)
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    await write_status(client, training, Status(node_faults=tuple(NodeFault(node=nodes[0], at=when) for _ in range(2))))
    await Operator(rights).reconcile(training)
    assert (await reload(client, training)).status.stages[0].recent_attempts[0].avoided_nodes == (nodes[0],)

    used: set[str] = set()

    async def placed() -> bool:
        pods = (await children(client, training))["Pod"]
        used.update(pod["spec"].get("nodeName", "") for pod in pods)
        return len(pods) == 2 and all(pod["spec"].get("nodeName") for pod in pods)

    await until(placed)
    assert nodes[0] not in used


async def test_a_job_that_may_not_be_made_is_told_of_in_the_status(client: Client, rights: Client, namespace: str) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    await client.call("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", body=quota)
    operator, training = Operator(rights), await create(client, namespace)

    async def refused() -> bool:
        with suppress(ClusterError):
            await operator.reconcile(training)
        status = (await reload(client, training)).status
        progressing = {condition.type: condition.status for condition in status.conditions}.get("Progressing")
        return (status.reason, progressing) == ("CreateFailed", "False")

    await until(refused)
    assert "exceeded quota: few" in (await reload(client, training)).status.message
    await client.call("DELETE", f"/api/v1/namespaces/{namespace}/resourcequotas/few")

    async def made_at_last() -> bool:
        with suppress(ClusterError):
            await operator.reconcile(training)
        return len((await children(client, training))["Job"]) == 1

    await until(made_at_last)


async def test_the_children_of_a_finished_training_go_when_its_time_is_over(client: Client, rights: Client, namespace: str) -> None:
    nowhere = {"nodeSelector": {"lwm.dev/test": "nowhere"}}
    operator, training = Operator(rights), await create(client, namespace, podTemplate=nowhere, ttlSecondsAfterFinished=60)
    await operator.reconcile(training)
    await until(lambda: _count(client, training, "Pod", 2))
    final = {"checkpoint": "gs://lwm/runs/s1/a1/60", "step": 60, "stateHash": "s", "recordHash": "r"}
    report = {"attempt": 1, "phase": "Complete", "phaseDeadlineSeconds": 600, "step": 60, "steps": 60, "final": final}
    lease = {"metadata": {"annotations": {PROGRESS_ANNOTATION: json.dumps(report)}}}
    await client.patch(paths.item("Lease", namespace, "bible-s1-a1"), lease, Patch.MERGE, manager="trainer")
    for pod in (await children(client, training))["Pod"]:
        path = paths.item("Pod", namespace, pod["metadata"]["name"]) + "/status"
        await client.patch(path, {"status": {"phase": "Succeeded"}}, Patch.MERGE, manager="kubelet")

    async def complete() -> bool:
        await operator.reconcile(training)
        return (await reload(client, training)).status.phase == Phase.COMPLETE

    await until(complete)
    assert (await children(client, training))["Job"] != []
    operator.ahead += timedelta(seconds=70)

    async def nothing() -> bool:
        await operator.reconcile(training)
        return not any((await children(client, training)).values())

    await until(nothing)
    status = (await reload(client, training)).status
    assert (status.phase, status.attempt) == (Phase.COMPLETE, 1), "what is missing afterwards is not made again"


SLICES = {"type": "tpu", "tpu": {"family": "v6e", "topology": "2x2", "slices": 2}}


async def test_slices_are_released_together_and_a_refused_one_leaves_none_running(client: Client, rights: Client, namespace: str) -> None:
    quota = {"metadata": {"name": "one"}, "spec": {"hard": {"count/jobs.batch": "1"}}}
    quotas = f"/api/v1/namespaces/{namespace}/resourcequotas"
    await client.call("POST", quotas, body=quota)

    async def is_counted() -> bool:
        return "used" in ((await client.get(f"{quotas}/one")) or {}).get("status", {})

    await until(is_counted)
    operator, training = Operator(rights), await create(client, namespace, accelerator=SLICES)
    for _ in range(2):
        with pytest.raises(ApiError, match="exceeded quota: one"):
            await operator.reconcile(training)
    refused = await children(client, training)
    assert [(job["spec"]["suspend"], names.ANNOTATION_HELD in job["metadata"]["annotations"]) for job in refused["Job"]] == [(True, True)]
    assert refused["Pod"] == []
    assert (await reload(client, training)).status.reason == "CreateFailed"

    await client.call("DELETE", f"{quotas}/one")

    async def both_have_pods() -> bool:
        with suppress(ClusterError):
            await operator.reconcile(training)
        return len((await children(client, training))["Pod"]) == 2

    await until(both_have_pods, 40)
    released = (await children(client, training))["Job"]
    assert [(job["spec"]["suspend"], names.ANNOTATION_HELD in job["metadata"]["annotations"]) for job in released] == [(False, False)] * 2
    await operator.reconcile(training)
    assert (await reload(client, training)).status.stages[0].recent_attempts[0].state == "Starting"


async def test_what_somebody_deletes_of_an_attempt_is_made_again(client: Client, rights: Client, namespace: str) -> None:
    operator, training = Operator(rights), await create(client, namespace)
    await operator.reconcile(training)

    async def has_started() -> bool:
        await operator.reconcile(training)
        return (await reload(client, training)).status.stages[0].recent_attempts[0].state == "Starting"

    await until(has_started)
    before = await children(client, training)
    companions = [(kind, body) for kind in KINDS if kind not in ("Job", "Pod") for body in before[kind]]
    for kind, body in companions:
        assert await client.delete(paths.item(kind, namespace, body["metadata"]["name"]), body["metadata"]["uid"])
    await operator.reconcile(training)
    after = await children(client, training)
    assert len(companions) == 6
    for kind, body in companions:
        (again,) = after[kind]
        assert (again["metadata"]["name"], again.get("data")) == (body["metadata"]["name"], body.get("data"))
        assert again["metadata"]["uid"] != body["metadata"]["uid"]
    assert [job["metadata"]["uid"] for job in after["Job"]] == [job["metadata"]["uid"] for job in before["Job"]]


async def test_a_foreground_deletion_waits_for_the_pods(client: Client, rights: Client, namespace: str) -> None:
    operator, training = Operator(rights), await create(client, namespace)
    await operator.reconcile(training)

    async def has_pods() -> bool:
        return len((await children(client, training))["Pod"]) == 2

    await until(has_pods)
    pod = (await children(client, training))["Pod"][0]["metadata"]["name"]
    path = paths.item("Pod", namespace, pod)
    await client.patch(path, {"metadata": {"finalizers": ["lwm.dev/test"]}}, Patch.MERGE, manager="user")
    about = paths.item(names.KIND, namespace, training.metadata.name)
    await client.call("DELETE", about, body={"propagationPolicy": "Foreground"})

    async def only_that_pod_is_left() -> bool:
        return [body["metadata"]["name"] for body in (await children(client, training))["Pod"]] == [pod]

    await until(only_that_pod_is_left)
    assert await client.get(about) is not None, "a pod is left"
    await client.patch(path, {"metadata": {"finalizers": None}}, Patch.MERGE, manager="user")

    async def is_gone() -> bool:
        return await client.get(about) is None

    await until(is_gone)
