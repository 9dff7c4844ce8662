"""Two equal trainings on real pods: one is left alone, the other loses processes, hosts, nodes. Their results are equal, bit for bit.

Stage 1: suspended and resumed; the operator is killed. Stage 2: four ways to lose a host. Stage 3: a node is lost, one is drained, then
five kills at random (`make soak` makes a hundred). The loss of the operator between any two of its writes is in
tests/api/test_fault_points.py; zombies are in test_zombie.py.
"""

import json
import random
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from devcluster import faults, pods
from devcluster.out_of_memory import out_of_memory
from devcluster.paths import Cluster
from devcluster.trainings import (
    EVERY,
    SECONDS,
    STAGES,
    container_states,
    exit_codes,
    final_hashes,
    follow_steps,
    manifest,
    operator_pod,
    pod_of,
    pods_of,
    stages,
    status,
    status_when,
    until,
    wait_for_complete,
    wait_past_commit,
)
from e2e import random_kills
from quickstart.results import read_stage
from tools.kubectl import Kubectl

pytestmark = [pytest.mark.embedded, pytest.mark.serial]
NAME = "stormy"
KILLS = 5


@dataclass(frozen=True)
class Fault:
    """A fault in an attempt of a stage (both count from 1), and the root cause that the status must name."""

    stage: int
    attempt: int
    host: int | None
    reason: str
    failure_class: str
    replays: bool = True

    @property
    def job(self) -> str:
        return f"{NAME}-s{self.stage}-a{self.attempt}"


KILL_ONE = Fault(2, 1, 1, "Killed", "Infra")
KILL_FIRST = Fault(2, 2, 0, "Killed", "Infra")
FREEZE = Fault(2, 3, 1, "HostLost", "Infra")
OUT_OF_MEMORY = Fault(2, 4, 1, "OOMKilled", "App")
LOSE = Fault(3, 1, None, "NodeNotReady", "Infra")
DRAIN = Fault(3, 2, None, "Evicted", "Disruption", replays=False)
FAULTS = (KILL_ONE, KILL_FIRST, FREEZE, OUT_OF_MEMORY, LOSE, DRAIN)

TO_A_POD: dict[Fault, Callable[[str], None]] = {
    KILL_ONE: pods.kill,
    KILL_FIRST: pods.kill,
    FREEZE: pods.freeze,
    OUT_OF_MEMORY: out_of_memory,
}


@dataclass
class Story:
    """The step lines of each victim, the operator that died, the training when it was suspended, and the random victims."""

    printed: dict[Fault, list[dict[str, Any]]]
    operator: dict[str, Any]
    suspended_at: int
    suspended: dict[str, Any]
    trainers_left: int
    hits: Counter[str]

    @property
    def trainers_hit(self) -> int:
        return sum(times for victim, times in self.hits.items() if victim.startswith("host"))


@pytest.fixture(scope="module")
def story(kubectl: Kubectl, cluster: Cluster, calm: str) -> Story:
    wait_for_complete(kubectl, calm)  # before any node is disturbed
    kubectl.apply(manifest(NAME, **random_kills.SPEC))
    suspended_at = wait_past_commit(kubectl, f"{NAME}-s1-a1")[-1]["step"]
    patch(kubectl, suspend=True)
    suspended = status_when(kubectl, NAME, lambda now: now["reason"] == "Suspended", SECONDS, "it has saved and left")
    # A pod's phase follows the end of its container a little later.
    trainers_left = sum("running" in state for state in container_states(pods_of(kubectl, f"{NAME}-s1-a1")))
    patch(kubectl, suspend=False)

    resumed: dict[str, Any] = until(lambda: pod_of(kubectl, f"{NAME}-s1-a2", 0), SECONDS, "it goes on")
    next(follow_steps(kubectl, resumed["metadata"]["name"]))
    operator = operator_pod(kubectl)
    pods.kill(operator["metadata"]["uid"])

    printed: dict[Fault, list[dict[str, Any]]] = {}
    for fault, happens in TO_A_POD.items():
        printed[fault] = wait_past_commit(kubectl, fault.job)
        victim = pod_of(kubectl, fault.job, fault.host or 0)
        assert victim is not None
        happens(victim["metadata"]["uid"])

    one, two = cluster.nodes
    printed[LOSE] = wait_past_commit(kubectl, LOSE.job, settled=True)
    faults.lose(two)
    try:
        printed[DRAIN] = wait_past_commit(kubectl, DRAIN.job)
    finally:
        faults.revive(two)
    try:
        faults.drain(one, kubectl.namespace)
        until(lambda: status(kubectl, NAME)["attempt"] == DRAIN.attempt + 1, SECONDS, "the attempt after the drain")
    finally:
        faults.uncordon(one)
    hits = random_kills.run(kubectl, NAME, KILLS, random.Random(5), longest_wait=6.0)
    wait_for_complete(kubectl, NAME)
    return Story(printed, operator, suspended_at, suspended, trainers_left, hits)


def patch(kubectl: Kubectl, **spec: Any) -> None:
    kubectl("patch", "lwmtraining", NAME, "--type=merge", f"--patch={json.dumps({'spec': spec})}")


def attempt(kubectl: Kubectl, fault: Fault, after: int = 0) -> dict[str, Any]:
    """The record of the fault's attempt, or of one `after` it."""
    number = fault.attempt + after
    return next(entry for entry in stages(kubectl, NAME)[fault.stage - 1]["recentAttempts"] if entry["number"] == number)


def test_left_alone_it_grows_over_three_stages_to_complete_without_a_restart(kubectl: Kubectl, story: Story, calm: str) -> None:
    ends = [(stage["name"], stage["state"], stage["step"], stage["attempts"]) for stage in stages(kubectl, calm)]
    assert ends == [(name, "Complete", steps, 1) for name, *_, steps in STAGES]
    line = kubectl("get", "lwmt", calm, "--no-headers")
    assert "3/3 ctx512" in line
    assert f"{STAGES[2][-1]}/{STAGES[2][-1]}" in line


def test_record_and_state_at_each_stages_end_are_those_of_the_undisturbed_run(kubectl: Kubectl, story: Story, calm: str) -> None:
    assert final_hashes(kubectl, NAME) == final_hashes(kubectl, calm)
    assert len({state for _, state in final_hashes(kubectl, calm)}) == 3, "the stages are not one another's"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.reason} of stage {fault.stage} attempt {fault.attempt}")
def test_the_cause_is_told_with_class_host_and_node(kubectl: Kubectl, story: Story, fault: Fault) -> None:
    cause = attempt(kubectl, fault)["rootCause"]
    assert (cause["reason"], cause["class"]) == (fault.reason, fault.failure_class), cause
    assert cause["node"] in ("node1", "node2")
    if fault.host is not None:
        assert (cause["host"], cause["pod"].rpartition("-")[0]) == (fault.host, f"{fault.job}-{fault.host}")
    if fault is OUT_OF_MEMORY:
        assert "limit of 2Gi" in cause["message"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.reason} of stage {fault.stage} attempt {fault.attempt}")
def test_the_victim_died_between_two_commits_and_its_steps_ran_again(
    kubectl: Kubectl, story: Story, cluster: Cluster, fault: Fault
) -> None:
    begun, reached = attempt(kubectl, fault, after=1)["fromStep"], story.printed[fault][-1]["step"]
    assert EVERY <= begun < STAGES[fault.stage - 1][-1], "it died after the first commit and before the last"
    if not fault.replays:
        assert begun >= reached, "it was told in time, and saved: no step ran again"
        return
    assert begun == attempt(kubectl, fault)["committedStep"], "the new attempt begins at the commit's next step"
    assert begun + 2 <= reached < STAGES[fault.stage - 1][-1], "two steps or more ran again"
    record = read_stage(stages(kubectl, NAME)[fault.stage - 1]["finalCheckpoint"]["path"], cluster.storage_url)
    lost = [line for line in story.printed[fault] if line["step"] > begun]
    assert [float(record.losses[line["step"] - 1]) for line in lost] == [line["loss"] for line in lost]


def test_only_what_is_a_failure_is_charged(kubectl: Kubectl, story: Story) -> None:
    second, third = stages(kubectl, NAME)[1:]
    counted = [{name: count for name, count in stage["failures"].items() if count} for stage in (second, third)]
    assert counted == [{"infra": 3, "app": 1}, {"infra": 1 + story.trainers_hit, "disruption": 1}]
    assert max(second["budgetsUsed"][name] for name in ("infra", "app", "hang")) <= 1, "each commit refilled the budgets"


def test_suspending_saves_first_and_costs_no_step_and_no_budget(kubectl: Kubectl, story: Story) -> None:
    assert (story.suspended["phase"], story.trainers_left) == ("Suspended", 0)
    assert {condition["type"]: condition["status"] for condition in story.suspended["conditions"]}["Suspended"] == "True"
    again, first = stages(kubectl, NAME)[0]["recentAttempts"]
    assert (first["state"], first.get("rootCause")) == ("Suspended", None)
    assert again["fromStep"] >= story.suspended_at, "it went on from where it was told, not from the commit before"
    assert sum(stages(kubectl, NAME)[0]["failures"].values()) == 0


def test_each_random_kill_of_a_trainer_cost_one_attempt_and_those_of_the_operator_none(kubectl: Kubectl, story: Story) -> None:
    assert sum(story.hits.values()) == KILLS
    assert story.trainers_hit >= 1
    assert stages(kubectl, NAME)[2]["attempts"] == 3 + story.trainers_hit


def test_how_each_host_ended_is_told_and_the_last_two_failures_stay_with_their_pods(kubectl: Kubectl, story: Story) -> None:
    assert "host 1: 137" in attempt(kubectl, KILL_ONE)["hostExits"]
    newest = stages(kubectl, NAME)[2]["attempts"]
    kept = sorted(f"job.batch/{NAME}-s3-a{number}" for number in range(newest - 2, newest + 1))

    def jobs() -> list[str]:
        return sorted(kubectl("get", "jobs", f"--selector=lwm.dev/training={NAME},lwm.dev/stage=3", "--output=name").split())

    until(lambda: jobs() == kept, 60, f"only {kept} are left")
    assert 137 in exit_codes(pods_of(kubectl, f"{NAME}-s3-a{newest - 1}"))


def test_the_operator_died_and_no_trainer_noticed(kubectl: Kubectl, story: Story) -> None:
    now = operator_pod(kubectl)
    same = now["metadata"]["uid"] == story.operator["metadata"]["uid"]
    restarts = [pod["status"]["containerStatuses"][0]["restartCount"] for pod in (story.operator, now)]
    assert not same or restarts[1] > restarts[0], "it is another process"
    running = stages(kubectl, NAME)[0]["recentAttempts"][0]
    assert (running["number"], running["state"]) == (2, "Complete"), "its attempt went on to the stage's end"


def test_describe_shows_the_events_in_their_order(kubectl: Kubectl, story: Story) -> None:
    text = kubectl("describe", "lwmtraining", NAME)
    events = text[text.index("Events:") :]
    places = [events.index(reason) for reason in ("StageStarted", "Killed (Infra)", "OOMKilled (App)", "TrainingComplete")]
    assert places == sorted(places)


def test_a_training_deleted_while_it_runs_leaves_no_child_and_its_checkpoints_stay(
    kubectl: Kubectl, story: Story, cluster: Cluster
) -> None:
    kubectl.apply(manifest("brief"))
    until(lambda: pod_of(kubectl, "brief-s1-a1", 1), 120, "the first stage runs")
    uid = kubectl.get("lwmtraining", "brief")["metadata"]["uid"]
    origin = f"{cluster.storage_url}/storage/v1/b/e2e/o?prefix=runs/{kubectl.namespace}/brief-{uid[:8]}/s1-ctx128/a1/origin.json"
    until(lambda: json.load(urllib.request.urlopen(origin)).get("items"), 120, "its attempt has written where it starts from")  # noqa: S310
    kubectl("delete", "lwmtraining", "brief", "--wait=true", "--timeout=60s")
    children = "jobs,pods,services,configmaps,leases,roles,rolebindings,serviceaccounts"
    until(lambda: not kubectl("get", children, "--selector=lwm.dev/training=brief", "--output=name").strip(), 120, "no child is left")
    assert json.load(urllib.request.urlopen(origin)).get("items"), "checkpoints stay"  # noqa: S310


def test_the_operator_carries_no_jax_and_the_trainer_no_kubernetes(kubectl: Kubectl, story: Story, calm: str) -> None:
    look = "from importlib.util import find_spec; print([name for name in ('jax', 'kopf', 'kubernetes') if find_spec(name)])"
    system = Kubectl(kubectl.kubeconfig, "lwm-system", kubectl.program)
    assert system("exec", "deployment/lwm-operator", "--", "python", "-c", look).strip() == "['kopf', 'kubernetes']"
    image = kubectl.get("job", f"{calm}-s3-a1")["spec"]["template"]["spec"]["containers"][0]["image"]
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
