"""The chart's network policies, in force: training runs, and nobody else gets at its pods."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from devcluster import installation
from devcluster.paths import Cluster
from devcluster.policies import EnforcedPolicies
from devcluster.trainings import manifest, pods_of, status, until, wait_for_complete
from lwm_operator.manifests.pod import CONTAINER_SECURITY, POD_SECURITY
from support.helm_chart import rendered
from tools.kubectl import CommandError, Kubectl
from tools.operator_chart import NAMESPACE, RELEASE

pytestmark = pytest.mark.embedded

SLEEP = "import time; time.sleep(600)"
LISTEN = "import socket, time; kept = [socket.create_server(('', port)) for port in (8476, 9090)]; time.sleep(600)"

MEETING_SECONDS = 25
"""Within these a gang that may meet has long met."""


def short(name: str) -> dict[str, Any]:
    training = manifest(name)
    training["spec"]["stages"] = [training["spec"]["stages"][0] | {"steps": 4}]
    return training


@pytest.fixture(scope="module")
def closed(cluster: Cluster, kubectl: Kubectl) -> Iterator[Kubectl]:
    """A namespace with the chart's policies in force, the operator's own included."""
    with installation.fresh_namespace(installation.kubectl_for(cluster), "closed") as inside:
        values = (
            "--set=networkPolicy.enabled=true",
            f"--set=networkPolicy.namespaces[0]={inside.namespace}",
            "--set=networkPolicy.storage[0].ports[0].port=4443",
            "--show-only=templates/networkpolicy.yaml",
        )
        policies = rendered(RELEASE, NAMESPACE, *values)
        for policy in policies:
            replace(inside, namespace=policy["metadata"]["namespace"]).apply(policy)
        with EnforcedPolicies(cluster, inside.namespace, NAMESPACE):
            yield inside
        for policy in policies:
            replace(inside, namespace=policy["metadata"]["namespace"])("delete", "networkpolicy", policy["metadata"]["name"])


def test_a_training_runs_to_its_end(closed: Kubectl) -> None:
    closed.apply(short("inside"))
    wait_for_complete(closed, "inside", seconds=300)
    assert status(closed, "inside")["summary"]["restarts"] == 0
    nodes = {pod["spec"]["nodeName"] for pod in pods_of(closed, "inside-s1-a1")}
    assert len(nodes) == 2, "its packets pass the filter"


def test_without_the_rule_for_its_peers_the_gang_does_not_meet(closed: Kubectl) -> None:
    name = f"{RELEASE}-trainings"
    whole = closed.get("networkpolicy", name)["spec"]["egress"]
    without = [rule for rule in whole if "to" not in rule]
    assert len(without) == len(whole) - 1
    closed("patch", "networkpolicy", name, "--type=merge", f"--patch={json.dumps({'spec': {'egress': without}})}")
    try:
        closed.apply(short("alone"))
        until(lambda: status(closed, "alone").get("reason") == "Rendezvous", 120, "its hosts look for each other")
        with pytest.raises(AssertionError, match="still not: they have met"):
            until(lambda: status(closed, "alone")["reason"] != "Rendezvous", MEETING_SECONDS, "they have met")
    finally:
        closed("patch", "networkpolicy", name, "--type=merge", f"--patch={json.dumps({'spec': {'egress': whole}})}")
        closed("delete", "lwmtraining", "alone", "--wait=false")


def test_strangers_reach_the_metrics_and_nothing_else(closed: Kubectl, kubectl: Kubectl, built: tuple[str, str]) -> None:
    closed.apply(a_pod("host", "node2", built[1], LISTEN, {"lwm.dev/training": "x"}))
    closed.apply(a_pod("peer", "node1", built[1], SLEEP, {"lwm.dev/training": "x"}))
    kubectl.apply(a_pod("stranger", "node1", built[1], SLEEP, {}))
    for place, names in ((closed, ("host", "peer")), (kubectl, ("stranger",))):
        place("wait", "--for=condition=Ready", *(f"pod/{name}" for name in names), "--timeout=60s", seconds=90)
    address = closed.get("pod", "host")["status"]["podIP"]
    try:
        until(lambda: not reaches(kubectl, "stranger", address, 8476), 30, "the filter knows the host")
        assert reaches(kubectl, "stranger", address, 9090)
        assert reaches(closed, "peer", address, 8476)
    finally:
        kubectl("delete", "pod", "stranger", "--wait=false", "--grace-period=1")


def reaches(kubectl: Kubectl, pod: str, address: str, port: int) -> bool:
    code = f"import socket; socket.create_connection(({address!r}, {port}), timeout=2)"
    try:
        kubectl("exec", pod, "--", "python", "-c", code)
    except CommandError as error:
        if "TimeoutError" not in str(error):  # dropped, not refused
            raise
        return False
    return True


def a_pod(name: str, node: str, image: str, code: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 1,
            "securityContext": POD_SECURITY,
            "containers": [
                {
                    "name": "python",
                    "image": image,
                    "command": ["python", "-c", code],
                    "securityContext": CONTAINER_SECURITY,
                }
            ],
        },
    }
