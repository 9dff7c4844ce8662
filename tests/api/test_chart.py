"""The chart: valid in all its forms, and strict about its values."""

import kubernetes_validate
import pytest
import yaml

from lwm_operator.api import names
from lwm_operator.cluster.client import Body
from lwm_trainer.config import METRICS_PORT
from support.helm_chart import CHART, helm, rendered

NAMESPACED = "--set=rbac.scope=namespace"
FORMS = {
    "default": (),
    "all on": (
        "--set=replicas=2,image.registry=r.example,image.digest=sha256:" + "0" * 64 + ",priorityClassName=high,podAnnotations.a=b",
        "--set=watchNamespaces={a,b},imagePullSecrets[0].name=s,tolerations[0].operator=Exists,serviceAccount.annotations.x=y",
        "--set=nodeSelector.c=d,admissionPolicy.enabled=true,networkPolicy.enabled=true,trainer.image.digest=sha256:" + "1" * 64,
    ),
    "all off": ("--set=leaderElection.enabled=false,admissionPolicy.enabled=false,crd.install=false",),
    "namespaced": (NAMESPACED, "--set=crd.install=false,networkPolicy.enabled=true"),
    "namespaced, several": (NAMESPACED, "--set=crd.install=false,watchNamespaces={a,b},networkPolicy.enabled=true"),
}
PER_NAMESPACE = {"Role", "RoleBinding", "ServiceAccount", "Deployment", "NetworkPolicy"}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_valid(form: str) -> None:
    bodies = rendered("lwm-operator", "lwm-system", *FORMS[form])
    for body in bodies:
        if body["kind"] != "CustomResourceDefinition":
            kubernetes_validate.validate(body, "1.37", strict=True)
    kinds = [body["kind"] for body in bodies]
    assert kinds.count("Deployment") == 1
    assert ("ValidatingAdmissionPolicy" in kinds) == (form in ("default", "all on"))
    assert ("CustomResourceDefinition" in kinds) == (form in ("default", "all on"))


def places_of(*arguments: str) -> dict[str, list[str]]:
    """The places of the rendered objects by kind, as `namespace/name`."""
    places: dict[str, list[str]] = {}
    for body in rendered("lwm", "lwm-system", *arguments):
        places.setdefault(body["kind"], []).append(f"{body['metadata'].get('namespace', '')}/{body['metadata']['name']}")
    return places


def test_namespaced_it_makes_nothing_outside_of_the_namespaces_that_it_watches() -> None:
    own = places_of(NAMESPACED, "--set=crd.install=false")
    assert set(own) == PER_NAMESPACE - {"NetworkPolicy"}
    assert own["Role"] == own["RoleBinding"] == ["lwm-system/lwm", "lwm-system/lwm-leader"]
    several = places_of(
        NAMESPACED, "--set=crd.install=false,watchNamespaces={a,b,a},leaderElection.enabled=false,networkPolicy.enabled=true"
    )
    assert set(several) == PER_NAMESPACE
    assert several["Role"] == several["RoleBinding"] == ["a/lwm", "b/lwm"]
    assert sorted(several["NetworkPolicy"]) == ["a/lwm-trainings", "b/lwm-trainings", "lwm-system/lwm"]
    with_crd = places_of(NAMESPACED)
    assert set(with_crd) - set(own) == {"CustomResourceDefinition"}


def environment(*arguments: str) -> dict[str, str]:
    return {variable["name"]: str(variable.get("value")) for variable in container(*arguments)["env"]}


def test_the_operator_is_told_what_it_may_watch_and_read() -> None:
    def watched_and_reads_nodes(*arguments: str) -> tuple[str, str]:
        variables = environment(*arguments)
        return variables["LWM_WATCH_NAMESPACES"], variables["LWM_READ_NODES"]

    assert watched_and_reads_nodes() == ("", "true")
    assert watched_and_reads_nodes("--set=watchNamespaces={a,b}") == ("a,b", "true")
    assert watched_and_reads_nodes(NAMESPACED) == ("lwm-system", "false")
    assert watched_and_reads_nodes(NAMESPACED, "--set=watchNamespaces={a,b,a}") == ("a,b", "false")


def test_only_who_watches_the_cluster_may_read_nodes() -> None:
    def resources(kind: str, *arguments: str) -> set[str]:
        bodies = rendered("lwm", "lwm-system", "--show-only=templates/rbac.yaml", *arguments)
        return {name for body in bodies if body["kind"] == kind for rule in body["rules"] for name in rule["resources"]}

    assert resources("ClusterRole") - resources("Role", NAMESPACED) == {"nodes"}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("rbac.scope=namespace,admissionPolicy.enabled=true", "admissionPolicy.enabled: the policy is an object of the whole cluster"),
        ("networkPolicy.enabled=true", "networkPolicy.namespaces: missing: all namespaces are watched"),
        ("trainer.image=lwm-trainer:1", "trainer.image"),
        ("image.registry=registry.example/", "registry"),
    ],
)
def test_values_that_make_no_sense_together_are_refused_with_a_sentence(values: str, words: str) -> None:
    done = helm("template", "x", str(CHART), "--kube-version", "1.37.2", "--set", values)
    assert done.returncode != 0
    assert words in done.stderr


def test_training_pods_reach_each_other_names_the_api_server_and_storage() -> None:
    nfs = "--set=networkPolicy.storage[0].to[0].ipBlock.cidr=10.0.0.0/8"
    bodies = rendered("lwm", "lwm-system", "--set=networkPolicy.enabled=true,networkPolicy.namespaces={a}", nfs)
    operator, trainings = (body["spec"] for body in bodies if body["kind"] == "NetworkPolicy")
    assert (
        operator["podSelector"]["matchLabels"]
        == next(body for body in bodies if body["kind"] == "Deployment")["spec"]["selector"]["matchLabels"]
    )
    assert [port["port"] for port in operator["ingress"][0]["ports"]] == [8080, METRICS_PORT]
    each_other = {"podSelector": {"matchExpressions": [{"key": names.LABEL_TRAINING, "operator": "Exists"}]}}
    assert trainings["podSelector"] == each_other["podSelector"]
    assert trainings["ingress"] == [{"from": [each_other]}, {"ports": [{"protocol": "TCP", "port": METRICS_PORT}]}]
    ports = [{port["port"] for port in rule.get("ports", ())} for rule in trainings["egress"]]
    assert (trainings["egress"][0], ports[1:3]) == ({"to": [each_other]}, [{53}, {443, 6443}])
    assert trainings["egress"][3] == {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}


def test_the_chart_has_no_complaint_of_helms() -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("typo", ["imgae.tag=1", "image.tagg=1", "replicas=many", "logLevel=LOUD", "leaderElection.on=true"])
def test_a_typo_in_the_values_is_refused(typo: str) -> None:
    done = helm("template", "x", str(CHART), "--kube-version", "1.37.2", "--set", typo)
    assert done.returncode != 0
    assert typo.partition("=")[0].split(".")[-1] in done.stderr or typo.partition("=")[0].split(".")[0] in done.stderr


def container(*arguments: str) -> Body:
    bodies = rendered("lwm-operator", "lwm-system", *arguments)
    first: Body = next(body for body in bodies if body["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"][0]
    return first


def test_images_follow_the_values() -> None:
    def images(*values: str) -> tuple[str, str]:
        argument = "--set=" + ",".join(values)
        return container(argument)["image"], environment(argument)["LWM_TRAINER_IMAGE"]

    one, two = (f"sha256:{digit * 64}" for digit in "12")
    assert images("image.repository=r/op", "image.tag=abc") == ("r/op:abc", "lwm-trainer:abc")
    assert images("trainer.image.repository=r/tr", "trainer.image.tag=x") == ("lwm-operator:0.1.0", "r/tr:x")
    assert images("image.registry=mirror.example/lwm", "image.tag=abc") == (
        "mirror.example/lwm/lwm-operator:abc",
        "mirror.example/lwm/lwm-trainer:abc",
    )
    pinned = ("image.registry=m", "image.tag=abc", f"image.digest={one}", "trainer.image.tag=x", f"trainer.image.digest={two}")
    assert images(*pinned) == (f"m/lwm-operator@{one}", f"m/lwm-trainer@{two}")


def test_the_crd_is_kept_when_the_chart_goes() -> None:
    definition = next(body for body in rendered("x", "y") if body["kind"] == "CustomResourceDefinition")
    assert definition["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert definition["spec"] == yaml.safe_load((CHART.parents[1] / "crds" / "lwmtrainings.lwm.dev.yaml").read_text())["spec"]
