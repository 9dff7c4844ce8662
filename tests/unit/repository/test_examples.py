"""The operator accepts every example of a training, and Kubernetes that of a server."""

from itertools import groupby
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from lwm_cli.commands.serve import serve as command
from lwm_operator.api.training import Training, parse_training
from lwm_operator.manifests.pod import CONTAINER_SECURITY, POD_SECURITY
from lwm_operator.plan.validation.validate import validate
from lwm_trainer.config import least_theta
from lwm_trainer.serving.access import VARIABLE
from quickstart.options import EXAMPLE

SERVER, SERVER_OF_HOSTS = (EXAMPLE.parent / f"{name}.yaml" for name in ("serve", "serve-hosts"))
EXAMPLES = sorted(set(EXAMPLE.parent.glob("*.yaml")) - {SERVER, SERVER_OF_HOSTS})
ABOUT = {"namespace": "default", "uid": "1a2b3c4d-0000-0000-0000-000000000000"}


def training(path: Path) -> Training:
    body: dict[str, Any] = yaml.safe_load(path.read_text())
    body["metadata"] |= ABOUT
    return parse_training(body)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_stage_fits(path: Path) -> None:
    assert validate(training(path).spec) == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_context_grows_on_the_same_data_and_theta_lies_above_the_bound_where_retrieval_fails(path: Path) -> None:
    spec = training(path).spec
    stages = spec.stages
    for _, group in groupby(stages, lambda stage: spec.datasets_of(stage)):
        lengths = [stage.context_length for stage in group]
        assert lengths == sorted(set(lengths))
    published = path.stem.startswith("lwm-")  # with the paper's thetas, which are below the bound from 512K on
    for stage in stages:
        assert published or stage.rope_theta > least_theta(stage.context_length)


def test_there_is_one_for_each_kind_of_accelerator() -> None:
    assert {training(path).spec.accelerator.type for path in EXAMPLES} == {"cpu", "gpu", "tpu"}


def test_quickstarts_three_stages_have_three_meshes() -> None:
    stages = training(EXAMPLE).spec.stages
    assert [stage.context_length for stage in stages] == [512, 1024, 4096]
    assert len({stage.mesh.model_dump_json() for stage in stages}) == 3


def test_the_server_is_valid_restricted_and_given_options_that_it_has() -> None:
    deployment, service = yaml.safe_load_all(SERVER.read_text())
    for manifest in (deployment, service):
        kubernetes_validate.validate(manifest, "1.37", strict=True)
    pod = deployment["spec"]["template"]
    assert pod["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert pod["spec"]["securityContext"].items() <= POD_SECURITY.items()
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"] == CONTAINER_SECURITY
    assert container["command"] == ["python", "-m", "lwm_cli.serve"]
    options = command.make_context("lwm serve", list(container["args"])).params
    assert options["grace"] < pod["spec"]["terminationGracePeriodSeconds"]
    assert options["port"] == container["ports"][0]["containerPort"]
    assert {variable["name"] for variable in container["env"]} == {"JAX_PLATFORMS", VARIABLE}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": service["spec"]["ports"][0]["targetPort"]}


def test_the_server_over_several_hosts_is_the_same_pod_as_a_gang() -> None:
    job, names, http = yaml.safe_load_all(SERVER_OF_HOSTS.read_text())
    for manifest in (job, names, http):
        kubernetes_validate.validate(manifest, "1.37", strict=True)
    pod = job["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert names["spec"]["selector"] == labels
    assert http["spec"]["selector"] == labels | {"batch.kubernetes.io/job-completion-index": "0"}
    (container,) = pod["spec"]["containers"]
    options = command.make_context("lwm serve", list(container["args"])).params
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == options["hosts"]
    host, _, port = options["coordinator"].partition(":")
    assert host == f"{job['metadata']['name']}-0.{pod['spec']['subdomain']}"
    assert pod["spec"]["subdomain"] == names["metadata"]["name"]
    assert [each["containerPort"] for each in container["ports"]] == [options["port"], int(port)]
    deployment, _ = yaml.safe_load_all(SERVER.read_text())
    (alone,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"][: len(alone["args"])] == alone["args"]
    for name in ("image", "command", "securityContext", "volumeMounts"):
        assert container[name] == alone[name]
