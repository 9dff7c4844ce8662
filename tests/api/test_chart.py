"""The chart: valid in all its forms, strict about its values, and no way to more rights than one has."""

import asyncio
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import load_kube_config

from lwm_operator.api import names
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Body, Client
from world.asking import manifest, submit
from world.chart import CHART, apply, helm, remove_global, rendered, token, with_token

FORMS = {
    "default": (),
    "all on": (
        "--set=replicas=2,image.digest=sha256:" + "0" * 64 + ",priorityClassName=high,podAnnotations.a=b,nodeSelector.c=d",
        "--set=watchNamespaces={a,b},imagePullSecrets[0].name=s,tolerations[0].operator=Exists,serviceAccount.annotations.x=y",
    ),
    "all off": ("--set=leaderElection.enabled=false,admissionPolicy.enabled=false",),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_valid(form: str) -> None:
    bodies = rendered("lwm-operator", "lwm-system", *FORMS[form])
    for body in bodies:
        if body["kind"] != "CustomResourceDefinition":
            kubernetes_validate.validate(body, "1.37", strict=True)
    kinds = [body["kind"] for body in bodies]
    assert kinds.count("Deployment") == 1
    assert ("ValidatingAdmissionPolicy" in kinds) == (form != "all off")


def test_the_chart_has_no_complaint_of_helms() -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("typo", ["imgae.tag=1", "image.tagg=1", "replicas=many", "logLevel=LOUD", "leaderElection.on=true"])
def test_a_typo_in_the_values_is_refused(typo: str) -> None:
    done = helm("template", "x", str(CHART), "--kube-version", "1.37.2", "--set", typo)
    assert done.returncode != 0
    assert typo.partition("=")[0].split(".")[-1] in done.stderr or typo.partition("=")[0].split(".")[0] in done.stderr


def test_images_follow_the_values() -> None:
    def container(*arguments: str) -> Body:
        bodies = rendered("lwm-operator", "lwm-system", *arguments)
        found: Body = next(body for body in bodies if body["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"][0]
        return found

    def trainer(found: Body) -> str:
        return next(str(each["value"]) for each in found["env"] if each["name"] == "LWM_TRAINER_IMAGE")

    tagged = container("--set=image.repository=r/op,image.tag=abc")
    assert (tagged["image"], trainer(tagged)) == ("r/op:abc", "lwm-trainer:abc")
    named = container("--set=trainer.image=r/tr@sha256:1")
    assert (named["image"], trainer(named)) == ("lwm-operator:0.1.0", "r/tr@sha256:1")


def test_the_crd_is_kept_when_the_chart_goes() -> None:
    definition = next(body for body in rendered("x", "y") if body["kind"] == "CustomResourceDefinition")
    assert definition["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert definition["spec"] == yaml.safe_load((CHART.parents[1] / "crds" / "lwmtrainings.lwm.dev.yaml").read_text())["spec"]


async def test_who_may_not_create_pods_may_not_run_trainings(client: Client, namespace: str, kubeconfig: Path, tmp_path: Path) -> None:
    policy = rendered(namespace, namespace, "--show-only=templates/admission.yaml")
    await apply(client, policy)
    await client.call("POST", paths.collection("ServiceAccount", namespace), body={"metadata": {"name": "user"}})
    await _allow(client, namespace, "trainings", names.GROUP, names.PLURAL)
    settings = Configuration()
    config = with_token(kubeconfig, await token(client, namespace, "user"), tmp_path / "user")
    await load_kube_config(config_file=str(config), client_configuration=settings)  # type: ignore[no-untyped-call]
    user = Client(settings)
    try:
        # The policy is in force some moments after it was made.
        async with asyncio.timeout(60):
            for number in range(200):
                try:
                    await submit(user, manifest(namespace, f"early-{number}"))
                except ApiError as error:
                    refused = error
                    break
                await asyncio.sleep(0.3)
        assert refused.code == 403
        assert "you need the right to create pods in this namespace" in refused.message
        await _allow(client, namespace, "pods", "", "pods")
        assert (await submit(user, manifest(namespace, "allowed"))).metadata.name == "allowed"
    finally:
        await user.close()
        await remove_global(client, policy)


async def _allow(client: Client, namespace: str, name: str, group: str, resource: str) -> None:
    rules = [{"apiGroups": [group], "resources": [resource], "verbs": ["create", "get"]}]
    await client.call("POST", paths.collection("Role", namespace), body={"metadata": {"name": name}, "rules": rules})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "user", "namespace": namespace}],
    }
    await client.call("POST", paths.collection("RoleBinding", namespace), body=binding)
