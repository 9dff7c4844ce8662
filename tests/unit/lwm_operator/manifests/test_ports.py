"""Ports of an attempt: fixed in a pod's own network, of its own on the host network, and never a reason to have no node."""

from dataclasses import replace
from typing import Any

from lwm_operator.manifests.job import jobs
from lwm_operator.manifests.ports import HOST_PORTS, attempt_ports
from lwm_operator.manifests.run_config import run_config
from simulation.builders import stage
from unit.lwm_operator.manifests.attempt_manifests import run

HOST_NETWORK: dict[str, Any] = {
    "accelerator": {"type": "gpu", "gpu": {"hosts": 2, "perHost": 1, "profile": "host-network"}},
    "stages": [stage(mesh={"fsdp": 2}, batchTokens=1024)],
}


def test_on_the_host_network_no_port_is_declared_because_the_scheduler_would_reserve_it() -> None:
    attempt = run(**HOST_NETWORK)
    (job,) = jobs(attempt)
    pod = job["spec"]["template"]
    assert pod["spec"]["hostNetwork"] is True
    assert [container for container in pod["spec"]["containers"] if "ports" in container] == []
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(run_config(attempt).metrics_port)


def test_in_its_own_network_a_pod_declares_the_port_of_its_metrics() -> None:
    (job,) = jobs(run())
    pod = job["spec"]["template"]
    assert pod["spec"]["containers"][0]["ports"] == [{"name": "metrics", "containerPort": 9090, "protocol": "TCP"}]
    assert "prometheus.io/port" not in pod["metadata"]["annotations"]
    assert (run_config(run()).gang.coordinator, run_config(run()).metrics_port) == ("bible-s1-a3-0.bible:8476", 9090)


def test_gangs_that_share_a_node_have_ports_of_their_own() -> None:
    first = run(**HOST_NETWORK)
    about = first.training.metadata.model_copy(update={"uid": "another"})
    others = [replace(first, attempt=4), replace(first, training=first.training.model_copy(update={"metadata": about}))]
    ports = [port for attempt in (first, *others) for port in (attempt_ports(attempt).coordinator, attempt_ports(attempt).metrics)]
    assert len(set(ports)) == len(ports)
    assert set(ports) <= set(HOST_PORTS)
    assert attempt_ports(first) == attempt_ports(run(**HOST_NETWORK))
    assert run_config(first).gang.coordinator == f"bible-s1-a3-0.bible:{ports[0]}"
