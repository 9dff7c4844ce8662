"""Trainings survive operator downtime: the operator is uninstalled, installed again, upgraded, and the API server is down for a minute."""

import json
import time
from typing import Any

import pytest

from devcluster import faults, nodes
from devcluster.installation import install_operator
from devcluster.paths import Cluster, binaries
from devcluster.run import output
from devcluster.trainings import SECONDS, STAGES, follow_steps, operator_pod, pod_of, pods_of, stages, until
from lwm_trainer.config import STEP_LINE_PREFIX
from tools.kubectl import Kubectl, run
from tools.operator_chart import NAMESPACE, RELEASE

pytestmark = [pytest.mark.embedded, pytest.mark.serial]
OUTAGE_SECONDS = 60


def wait_for_step(kubectl: Kubectl, job: str, beyond: int = 0) -> int:
    """Wait until the attempt has printed a step after `beyond`; returns that step."""
    first: dict[str, Any] = until(lambda: pod_of(kubectl, job, 0), SECONDS, f"{job} runs")
    return next(int(line["step"]) for line in follow_steps(kubectl, first["metadata"]["name"]) if line["step"] > beyond)


def printed_steps(kubectl: Kubectl, pod: str) -> int:
    """How many steps the pod has printed."""
    return kubectl("logs", pod).count(STEP_LINE_PREFIX)


def identities(kubectl: Kubectl, job: str) -> dict[str, tuple[str, int]]:
    """Uid and restarts of each pod, by its name."""
    return {
        pod["metadata"]["name"]: (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"])
        for pod in pods_of(kubectl, job)
    }


@pytest.fixture(scope="module")
def absence(kubectl: Kubectl, cluster: Cluster, calm: str, built: tuple[str, str]) -> dict[str, Any]:
    """Stage 1: uninstalled, the stage ends, installed again. Stage 2: upgraded to other images. Stage 3: the API server is down."""
    observed: dict[str, Any] = {}
    job = f"{calm}-s1-a1"
    step = wait_for_step(kubectl, job, beyond=2)
    observed["before"] = identities(kubectl, job)
    run(str(binaries() / "helm"), "uninstall", RELEASE, f"--kubeconfig={cluster.kubeconfig}", f"--namespace={NAMESPACE}", "--wait")
    observed["gone"] = Kubectl(cluster.kubeconfig, NAMESPACE, kubectl.program)("get", "deployments", "--output=name").strip()
    observed["advanced"] = wait_for_step(kubectl, job, beyond=step + 2) - step
    until(lambda: [pod["status"]["phase"] for pod in pods_of(kubectl, job)] == ["Succeeded"] * 2, SECONDS, "stage 1 ends")
    observed["after"] = identities(kubectl, job)
    observed["jobs without an operator"] = kubectl("get", "jobs", f"--selector=lwm.dev/training={calm}", "--output=name").split()
    observed["state without an operator"] = stages(kubectl, calm)[0]["state"]
    install_operator(cluster, *built)

    job = f"{calm}-s2-a1"
    wait_for_step(kubectl, job)
    observed["old images"] = built
    other = tuple(f"{image}-upgraded" for image in built)
    for node in cluster.nodes:
        for old, new in zip(built, other, strict=True):
            output(nodes.ctr(node, "images", "tag", "--force", f"docker.io/library/{old}", f"docker.io/library/{new}"))
    observed["before upgrade"] = identities(kubectl, job)
    install_operator(cluster, other[0], other[1])
    observed["operator image"] = operator_pod(kubectl)["spec"]["containers"][0]["image"]
    observed["after upgrade"] = identities(kubectl, job)
    observed["new images"] = other

    job = f"{calm}-s3-a1"
    wait_for_step(kubectl, job, beyond=2)
    observed["image of stage 3"] = pods_of(kubectl, job)[0]["spec"]["containers"][0]["image"]
    observed["before outage"] = identities(kubectl, job)
    first = next(name for name in observed["before outage"] if name.startswith(f"{job}-0"))
    steps = printed_steps(kubectl, first)
    faults.api_down(cluster)
    try:
        time.sleep(OUTAGE_SECONDS)
    finally:
        faults.api_up(cluster)
    observed["steps in outage"] = printed_steps(kubectl, first) - steps
    observed["after outage"] = identities(kubectl, job)
    return observed


def test_an_uninstall_touches_no_pod_and_training_goes_on(absence: dict[str, Any]) -> None:
    assert absence["gone"] == ""
    assert len(absence["before"]) == 2
    assert absence["after"] == absence["before"]
    assert absence["advanced"] >= 2


def test_a_stage_that_ended_while_the_operator_was_away_is_taken_up(absence: dict[str, Any], kubectl: Kubectl, calm: str) -> None:
    assert absence["jobs without an operator"] == [f"job.batch/{calm}-s1-a1"], "nobody was there to begin stage 2"
    assert absence["state without an operator"] == "Running"
    first = stages(kubectl, calm)[0]
    assert (first["state"], first["attempts"], first["step"]) == ("Complete", 1, STAGES[0][-1])


def test_an_upgrade_to_other_images_touches_no_running_pod_and_counts_for_the_next_attempt(absence: dict[str, Any]) -> None:
    assert absence["before upgrade"] == absence["after upgrade"]
    assert absence["operator image"] == absence["new images"][0] != absence["old images"][0]
    assert absence["image of stage 3"] == absence["new images"][1] != absence["old images"][1]


def test_a_minute_without_the_api_server_stops_no_step_and_is_not_charged(absence: dict[str, Any], kubectl: Kubectl, calm: str) -> None:
    assert absence["before outage"] == absence["after outage"]
    assert absence["steps in outage"] >= 10
    kubectl("wait", "--for=condition=Complete", f"lwmtraining/{calm}", f"--timeout={SECONDS}s", seconds=SECONDS + 30)
    for stage in stages(kubectl, calm):
        assert float(stage["loss"]) < 7.0, "also of a stage that ended while nobody could be told"
        assert (
            stage["attempts"],
            sum(stage["failures"].values()),
            sum(v for k, v in stage["budgetsUsed"].items() if k != "committedStep"),
        ) == (
            1,
            0,
            0,
        )


def test_nothing_is_stuck(kubectl: Kubectl, calm: str, absence: dict[str, Any]) -> None:
    """No object has a finalizer of the operator's: an uninstall may never leave something that cannot be deleted."""
    listing = json.loads(kubectl("get", "lwmt,jobs,services,configmaps,leases,roles,rolebindings", "--output=json"))["items"]
    kept = [item["metadata"]["name"] for item in listing if any("lwm" in name for name in item["metadata"].get("finalizers", []))]
    assert kept == []
