"""No training needs its operator to go on: uninstalled in the middle, taken up again, upgraded, and cut off from the API server."""

import json
import time
from typing import Any

import pytest

from devcluster import faults, nodes
from devcluster.installation import install_operator
from devcluster.paths import Cluster, binaries
from devcluster.run import output
from devcluster.trainings import SECONDS, STAGES, follow_steps, operator_pod, pod_of, pods_of, stages, until
from tools.kubectl import Kubectl, run
from tools.operator_chart import NAMESPACE, RELEASE

pytestmark = pytest.mark.embedded
OUTAGE_SECONDS = 60


def trains(kubectl: Kubectl, job: str, beyond: int = 0) -> int:
    """Wait until the attempt is past that step, which it prints itself; the step."""
    first: dict[str, Any] = until(lambda: pod_of(kubectl, job, 0), SECONDS, f"{job} runs")
    return next(int(line["step"]) for line in follow_steps(kubectl, first["metadata"]["name"]) if line["step"] > beyond)


def untouched(kubectl: Kubectl, job: str) -> dict[str, tuple[str, int]]:
    """Of each pod: uid and restarts."""
    return {
        pod["metadata"]["name"]: (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"])
        for pod in pods_of(kubectl, job)
    }


@pytest.fixture(scope="module")
def absence(kubectl: Kubectl, cluster: Cluster, calm: str, built: tuple[str, str]) -> dict[str, Any]:
    """Stage 1: uninstalled, the stage ends, installed again. Stage 2: upgraded to other images. Stage 3: the API server is away."""
    found: dict[str, Any] = {}
    job = f"{calm}-s1-a1"
    step = trains(kubectl, job, beyond=2)
    found["before"] = untouched(kubectl, job)
    run(str(binaries() / "helm"), "uninstall", RELEASE, f"--kubeconfig={cluster.kubeconfig}", f"--namespace={NAMESPACE}", "--wait")
    found["gone"] = Kubectl(cluster.kubeconfig, NAMESPACE, kubectl.program)("get", "deployments", "--output=name").strip()
    found["advanced"] = trains(kubectl, job, beyond=step + 2) - step
    until(lambda: [pod["status"]["phase"] for pod in pods_of(kubectl, job)] == ["Succeeded"] * 2, SECONDS, "stage 1 ends")
    found["after"] = untouched(kubectl, job)
    found["away"] = kubectl("get", "jobs", f"--selector=lwm.dev/training={calm}", "--output=name").split()
    found["status away"] = stages(kubectl, calm)[0]["state"]
    install_operator(cluster, *built)

    job = f"{calm}-s2-a1"
    trains(kubectl, job)
    found["old images"] = built
    other = tuple(f"{image}-upgraded" for image in built)
    for node in cluster.nodes:
        for old, new in zip(built, other, strict=True):
            output(nodes.ctr(node, "images", "tag", "--force", f"docker.io/library/{old}", f"docker.io/library/{new}"))
    found["before upgrade"] = untouched(kubectl, job)
    install_operator(cluster, other[0], other[1])
    found["operator image"] = operator_pod(kubectl)["spec"]["containers"][0]["image"]
    found["at upgrade"] = trains(kubectl, job)
    found["after upgrade"] = untouched(kubectl, job)
    found["new images"] = other

    job = f"{calm}-s3-a1"
    trains(kubectl, job, beyond=2)
    found["image of stage 3"] = pods_of(kubectl, job)[0]["spec"]["containers"][0]["image"]
    found["before outage"] = untouched(kubectl, job)
    step = trains(kubectl, job, beyond=2)
    faults.api_down(cluster)
    try:
        time.sleep(OUTAGE_SECONDS)
    finally:
        faults.api_up(cluster)
    printed = kubectl("logs", next(name for name in found["before outage"] if name.startswith(f"{job}-0")))
    found["steps in outage"] = printed.count('"step"') - step
    found["after outage"] = untouched(kubectl, job)
    return found


def test_an_uninstall_touches_no_pod_and_training_goes_on(absence: dict[str, Any]) -> None:
    assert absence["gone"] == ""
    assert len(absence["before"]) == 2
    assert absence["after"] == absence["before"]
    assert absence["advanced"] >= 2


def test_a_stage_that_ended_while_the_operator_was_away_is_taken_up(absence: dict[str, Any], kubectl: Kubectl, calm: str) -> None:
    assert absence["away"] == [f"job.batch/{calm}-s1-a1"], "nobody was there to begin stage 2"
    assert absence["status away"] == "Running"
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
    """No finalizer of ours anywhere: an uninstall may never leave something that cannot be deleted."""
    listing = json.loads(kubectl("get", "lwmt,jobs,services,configmaps,leases,roles,rolebindings", "--output=json"))["items"]
    kept = [item["metadata"]["name"] for item in listing if any("lwm" in each for each in item["metadata"].get("finalizers", []))]
    assert kept == []
