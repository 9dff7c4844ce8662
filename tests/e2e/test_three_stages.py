"""Two equal trainings on real pods, one left alone, one with a trainer killed in its second stage and the operator in its third."""

import json
from typing import Any

import pytest

from cluster.paths import Cluster
from cluster.pods import kill
from e2e.trainings import EVERY, STAGES, committed, follow_steps, manifest, pod_of, status, until
from quickstart.kubectl import Kubectl
from quickstart.record import read_stage

PAST_A_SAVE = 3
"""Steps beyond a multiple of EVERY at which the victim dies: those at least run again."""
SECONDS = 900


@pytest.fixture(scope="module")
def story(kubectl: Kubectl) -> dict[str, Any]:
    """What happened: the losses that the victim printed, its uid, the operator's pods before and after."""
    kubectl.apply(manifest("calm"))
    until(lambda: pod_of(kubectl, "calm-s2-a1", 0), SECONDS, "the first stage of the undisturbed run is over, its program in the cache")
    kubectl.apply(manifest("stormy"))
    victim = until(lambda: pod_of(kubectl, "stormy-s2-a1", 0), SECONDS, "the second stage runs")
    printed = []
    for line in follow_steps(kubectl, victim["metadata"]["name"]):
        printed.append(line)
        if line["step"] % EVERY >= PAST_A_SAVE and committed(kubectl, "stormy-s2-a1") >= EVERY:
            break
    kill(victim["metadata"]["uid"])

    third = until(lambda: pod_of(kubectl, "stormy-s3-a1", 0), SECONDS, "the third stage runs")
    next(line for line in follow_steps(kubectl, third["metadata"]["name"]) if line["step"] > EVERY)
    operator = operator_pod(kubectl)
    kill(operator["metadata"]["uid"])
    at_kill = status(kubectl, "stormy")
    for name in ("calm", "stormy"):
        kubectl("wait", "--for=condition=Complete", f"lwmtraining/{name}", f"--timeout={SECONDS}s", seconds=SECONDS + 30)
    return {"printed": printed, "operator": operator, "at_kill": at_kill, "third": third}


def operator_pod(kubectl: Kubectl) -> dict[str, Any]:
    system = Kubectl(kubectl.kubeconfig, "lwm-system", kubectl.program)
    pods = until(
        lambda: system("get", "pods", "--selector=app.kubernetes.io/name=lwm-operator", "--output=name").split(),
        60,
        "an operator's pod is there",
    )
    return system.get("pod", pods[0].removeprefix("pod/"))


def stages(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = status(kubectl, name)["stages"]
    return found


def test_left_alone_it_grows_over_three_stages_to_complete_without_a_restart(kubectl: Kubectl, story: dict[str, Any]) -> None:
    found = status(kubectl, "calm")
    assert found["phase"] == "Complete"
    ends = [(stage["name"], stage["state"], stage["step"], stage["attempts"]) for stage in found["stages"]]
    assert ends == [(name, "Complete", steps, 1) for name, *_, steps in STAGES]
    line = kubectl("get", "lwmt", "calm", "--no-headers")
    assert "3/3 ctx512" in line
    assert "30/30" in line


def test_the_victim_died_between_two_commits_and_its_steps_ran_again(kubectl: Kubectl, story: dict[str, Any]) -> None:
    attempts = stages(kubectl, "stormy")[1]["recentAttempts"]
    assert [attempt["number"] for attempt in attempts] == [2, 1]
    again, victim = attempts
    reached, begun = story["printed"][-1]["step"], again["fromStep"]
    assert EVERY <= begun < STAGES[1][-1], "the victim died after the first commit and before the last"
    assert begun == victim["committedStep"], "the new attempt begins at the commit's next step"
    assert begun + 2 <= reached < STAGES[1][-1], "two steps or more ran again"
    assert victim["rootCause"]["exitCode"] == 137
    assert victim["rootCause"]["pod"].startswith("stormy-s2-a1-0")


def test_the_steps_that_ran_again_had_the_same_losses(kubectl: Kubectl, story: dict[str, Any], cluster: Cluster) -> None:
    record = read_stage(stages(kubectl, "stormy")[1]["finalCheckpoint"]["path"], cluster.storage_url)
    begun = stages(kubectl, "stormy")[1]["recentAttempts"][0]["fromStep"]
    lost = [line for line in story["printed"] if line["step"] > begun]
    assert len(lost) >= 2
    assert [float(record.losses[line["step"] - 1]) for line in lost] == [line["loss"] for line in lost]


def test_record_and_state_at_each_stages_end_are_those_of_the_undisturbed_run(kubectl: Kubectl, story: dict[str, Any]) -> None:
    for calm, stormy in zip(stages(kubectl, "calm"), stages(kubectl, "stormy"), strict=True):
        for hash_name in ("recordHash", "stateHash"):
            assert calm["finalCheckpoint"][hash_name] == stormy["finalCheckpoint"][hash_name], (calm["name"], hash_name)
    ends = [stage["finalCheckpoint"]["stateHash"] for stage in stages(kubectl, "calm")]
    assert len(set(ends)) == 3, "the stages are not one another's"


def test_the_operator_died_in_the_third_stage_and_no_trainer_noticed(kubectl: Kubectl, story: dict[str, Any]) -> None:
    at_kill = story["at_kill"]["stages"][2]
    assert at_kill["state"] == "Running"
    restarts = operator_pod(kubectl)["status"]["containerStatuses"][0]["restartCount"]
    assert restarts > story["operator"]["status"]["containerStatuses"][0]["restartCount"]
    third = stages(kubectl, "stormy")[2]
    assert third["attempts"] == 1
    pod = kubectl.get("pod", story["third"]["metadata"]["name"])
    assert pod["metadata"]["uid"] == story["third"]["metadata"]["uid"]


def test_describe_tells_the_story(kubectl: Kubectl, story: dict[str, Any]) -> None:
    text = kubectl("describe", "lwmtraining", "stormy")
    events = text[text.index("Events:") :]
    told = [events.index(reason) for reason in ("StageStarted", "AttemptFailed", "TrainingComplete")]
    assert told == sorted(told)
    assert "137" in events


def test_a_training_deleted_while_it_runs_leaves_no_pod(kubectl: Kubectl, story: dict[str, Any]) -> None:
    kubectl.apply(manifest("brief"))
    until(lambda: pod_of(kubectl, "brief-s1-a1", 1), 120, "the first stage runs")
    kubectl("delete", "lwmtraining", "brief", "--wait=true", "--timeout=60s")
    until(lambda: not kubectl("get", "jobs,pods", "--selector=lwm.dev/training=brief", "--output=name").strip(), 120, "its pods are gone")


def test_the_operator_carries_no_jax_and_the_trainer_no_kubernetes(kubectl: Kubectl, story: dict[str, Any]) -> None:
    look = "from importlib.util import find_spec; print([name for name in ('jax', 'kopf', 'kubernetes') if find_spec(name)])"
    system = Kubectl(kubectl.kubeconfig, "lwm-system", kubectl.program)
    assert system("exec", "deployment/lwm-operator", "--", "python", "-c", look).strip() == "['kopf', 'kubernetes']"
    image = story["third"]["spec"]["containers"][0]["image"]
    pod = {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, "restartPolicy": "Never"}
    container = {
        "name": "look",
        "image": image,
        "command": ["python", "-c", look],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "look"}, "spec": pod | {"containers": [container]}}
    kubectl("create", "--filename=-", stdin=json.dumps(spec))
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/look", "--timeout=60s")
    assert kubectl("logs", "look").strip() == "['jax']"
