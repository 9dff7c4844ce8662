"""The chart: valid in all its forms, and strict about its values."""

import kubernetes_validate
import pytest
import yaml

from lwm_operator.api import names
from lwm_operator.cluster.client import Body
from lwm_operator.manifests.attempt import supporting_objects
from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.job import jobs
from lwm_operator.manifests.preparation import PreparationSpec, preparation_companions, preparation_job
from lwm_trainer.config import METRICS_PORT, Start
from simulation.builders import training
from support.helm_chart import CHART, REGISTRY, helm, rendered

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


def test_monitoring_makes_monitors_alerts_and_a_dashboard_where_they_are_wanted() -> None:
    def monitoring(*arguments: str) -> dict[str, Body]:
        kinds = ("PodMonitor", "PrometheusRule", "ConfigMap")
        return {
            f"{body['kind']} {body['metadata']['name']}": body
            for body in rendered("lwm", "lwm-system", *arguments)
            if body["kind"] in kinds
        }

    enabled = "monitoring.podMonitors.enabled=true,monitoring.alerts.enabled=true,monitoring.dashboard.enabled=true"
    assert monitoring() == {}
    on = monitoring(f"--set={enabled},monitoring.runbookUrl=https://docs.example/r.html,monitoring.alerts.labels.release=p")
    assert on.keys() == {"PodMonitor lwm", "PodMonitor lwm-trainings", "PrometheusRule lwm", "ConfigMap lwm-dashboard"}
    assert on["PodMonitor lwm-trainings"]["spec"]["namespaceSelector"] == {"any": True}
    kubernetes_validate.validate(on["ConfigMap lwm-dashboard"], "1.37", strict=True)
    dashboard = (CHART / "monitoring" / "dashboard.json").read_text()
    assert on["ConfigMap lwm-dashboard"]["data"]["lwm-trainings.json"].strip() == dashboard.strip()
    rules = monitoring("--set=monitoring.alerts.enabled=true,monitoring.runbookUrl=https://docs.example/r.html")["PrometheusRule lwm"][
        "spec"
    ]["groups"]
    expected = yaml.safe_load((CHART / "monitoring" / "alerts.yaml").read_text().replace("RUNBOOKS#", "https://docs.example/r.html#"))
    assert rules == expected["groups"]
    watched = monitoring(f"--set={enabled},watchNamespaces={{a,b}}")
    assert watched["PodMonitor lwm-trainings"]["spec"]["namespaceSelector"] == {"matchNames": ["a", "b"]}
    # A monitor chooses pods by labels and a port that the pods have.
    pod = jobs(AttemptSpec(training=training(), stage=1, attempt=1, start=Start(), image="i", template="t"))[0]["spec"]["template"]
    chosen = on["PodMonitor lwm-trainings"]["spec"]["selector"]
    assert chosen["matchLabels"]["lwm.dev/slice"] == pod["metadata"]["labels"]["lwm.dev/slice"]
    assert [each["key"] in pod["metadata"]["labels"] for each in chosen["matchExpressions"]] == [True]
    assert [port["name"] for port in pod["spec"]["containers"][0]["ports"]] == [
        each["port"] for each in on["PodMonitor lwm-trainings"]["spec"]["podMetricsEndpoints"]
    ]


def places_of(*arguments: str) -> dict[str, list[str]]:
    """The places of the rendered objects by kind, as `namespace/name`."""
    places: dict[str, list[str]] = {}
    for body in rendered("lwm", "lwm-system", *arguments):
        places.setdefault(body["kind"], []).append(f"{body['metadata'].get('namespace', '')}/{body['metadata']['name']}")
    return places


def test_namespaced_it_makes_nothing_outside_of_the_namespaces_that_it_watches() -> None:
    own = places_of(NAMESPACED, "--set=crd.install=false")
    assert set(own) == PER_NAMESPACE - {"NetworkPolicy"}
    assert own["Role"] == own["RoleBinding"] == ["lwm-system/lwm-operator", "lwm-system/lwm-leader"]
    several = places_of(
        NAMESPACED, "--set=crd.install=false,watchNamespaces={a,b,a},leaderElection.enabled=false,networkPolicy.enabled=true"
    )
    assert set(several) == PER_NAMESPACE
    assert several["Role"] == several["RoleBinding"] == ["a/lwm-operator", "b/lwm-operator"]
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


def test_the_operator_may_block_the_deletion_of_every_owner_that_its_objects_name() -> None:
    """The admission plugin OwnerReferencesPermissionEnforcement, which OpenShift has on, asks for update on the owner's finalizers."""
    attempt = AttemptSpec(training=training(), stage=1, attempt=1, start=Start(), image="r.example/t:1", template="t")
    sets = [{"name": "books", "source": {"uri": "gs://lwm/books"}, "preparation": {"workers": 1}}]
    preparation = PreparationSpec(training=training(datasets=sets), number=1, run=0, image="r.example/t:1", template="t")
    objects = [*supporting_objects(attempt), *jobs(attempt), *preparation_companions(preparation), preparation_job(preparation)]
    owners = {(owner["apiVersion"], owner["kind"]) for body in objects for owner in body["metadata"]["ownerReferences"]}
    assert owners == {(names.API_VERSION, names.KIND)}, "another owner needs another right"

    def may_block(*arguments: str) -> list[str]:
        right = {"apiGroups": [names.GROUP], "resources": [f"{names.PLURAL}/finalizers"], "verbs": ["update"]}
        bodies = rendered("lwm", "lwm-system", "--show-only=templates/rbac.yaml", *arguments)
        return [f"{body['kind']} {body['metadata'].get('namespace', '')}" for body in bodies if right in body.get("rules", ())]

    assert may_block() == ["ClusterRole "]
    assert may_block(NAMESPACED, "--set=watchNamespaces={a,b}") == ["Role a", "Role b"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("rbac.scope=namespace,admissionPolicy.enabled=true", "admissionPolicy.enabled: the policy is an object of the whole cluster"),
        ("networkPolicy.enabled=true", "networkPolicy.namespaces: missing: all namespaces are watched"),
        ("trainer.image=lwm-trainer:1", "trainer.image"),
        ("image.registry=registry.example/", "registry"),
        ("image.registry=,image.repository=", "image.repository: missing: no image is published, so set image.registry"),
        ("image.registry=,image.repository=lwm-operator", "trainer.image.repository: missing"),
        ("image.repository=lwm-operator:1", "image.repository"),
        ("image.tag=a b", "image.tag"),
        ("replicas=2,leaderElection.enabled=false", "replicas: 2 without leaderElection.enabled would all work"),
        ("replicas=-1", "replicas"),
        ("watchNamespaces={Team-A}", "watchNamespaces"),
        ("leaderElection.namespace=a b", "leaderElection.namespace"),
        ("resources.limits.memory=16GB", "resources.limits.memory"),
        ("serviceAccount.name=A", "serviceAccount.name"),
        ("priorityClassName=High", "priorityClassName"),
        ("networkPolicy.dns.ports={70000}", "networkPolicy.dns.ports"),
        ("networkPolicy.dns.ports=null,networkPolicy.apiServerPorts={}", "networkPolicy.apiServerPorts"),
    ],
)
def test_values_that_make_no_sense_together_are_refused_with_a_sentence(values: str, words: str) -> None:
    done = helm("template", "x", str(CHART), "--kube-version", "1.37.2", REGISTRY, "--set", values)
    assert done.returncode != 0
    # A schema names a field as a JSON path.
    assert words in done.stderr.replace("/", ".")


def deployment(*arguments: str) -> Body:
    body: Body = next(body for body in rendered("lwm", "lwm-system", *arguments) if body["kind"] == "Deployment")
    return body


@pytest.mark.parametrize("replicas", [1, 3])
def test_every_replica_has_probes(replicas: int) -> None:
    body = deployment(f"--set=replicas={replicas}")["spec"]["template"]["spec"]["containers"][0]
    assert (body["livenessProbe"]["httpGet"]["path"], body["readinessProbe"]["httpGet"]["path"]) == ("/healthz", "/readyz")


def test_the_lease_is_per_release_unless_all_namespaces_are_watched() -> None:
    def lease(release: str, *arguments: str) -> tuple[str, str]:
        bodies = rendered(release, "lwm-system", *arguments)
        (role,) = (body for body in bodies if body["kind"] == "Role" and body["metadata"]["name"] == f"{release}-leader")
        body = next(body for body in bodies if body["kind"] == "Deployment")
        variables = {each["name"]: each.get("value") for each in body["spec"]["template"]["spec"]["containers"][0]["env"]}
        place = (variables["LWM_LEASE_NAMESPACE"], variables["LWM_LEASE_NAME"])
        assert (role["metadata"]["namespace"], role["rules"][1]["resourceNames"]) == (place[0], [place[1]])
        return place

    assert lease("one") == lease("two") == ("default", "lwm-operator")
    assert lease("one", "--set=leaderElection.namespace=lwm") == ("lwm", "lwm-operator")
    assert lease("one", "--set=watchNamespaces={a}") == ("lwm-system", "one-leader")
    assert lease("two", NAMESPACED) == ("lwm-system", "two-leader")


def test_openshift_may_assign_the_user() -> None:
    fixed, assigned = (deployment(*arguments)["spec"]["template"]["spec"] for arguments in ((), ("--set=podSecurity.fixedUser=false",)))
    ids = {"runAsUser": 65532, "runAsGroup": 65532}
    assert fixed["securityContext"] == assigned["securityContext"] | ids
    assert "runAsUser" not in assigned["containers"][0]["securityContext"]
    assert {each["name"]: each.get("value") for each in assigned["containers"][0]["env"]}["LWM_FIXED_USER"] == "false"


def test_dns_and_the_operators_egress_follow_the_values() -> None:
    def egress(*arguments: str) -> list[list[Body]]:
        bodies = rendered("lwm", "lwm-system", "--set=networkPolicy.enabled=true,networkPolicy.namespaces={a}", *arguments)
        return [body["spec"]["egress"] for body in bodies if body["kind"] == "NetworkPolicy"]

    both = [{"protocol": protocol, "port": port} for port in (53, 5353) for protocol in ("UDP", "TCP")]
    assert [rules[position] for rules, position in zip(egress(), (0, 1), strict=True)] == [{"ports": both}] * 2
    peer = "--set=networkPolicy.dns.ports={5300},networkPolicy.dns.to[0].ipBlock.cidr=10.96.0.10/32"
    proxy = "--set=networkPolicy.operatorEgress[0].ports[0].port=3128"
    operator, trainings = egress(peer, proxy)
    narrowed = {
        "ports": [{"protocol": "UDP", "port": 5300}, {"protocol": "TCP", "port": 5300}],
        "to": [{"ipBlock": {"cidr": "10.96.0.10/32"}}],
    }
    assert (operator[0], trainings[1]) == (narrowed, narrowed)
    assert operator[-1] == {"ports": [{"port": 3128}]}
    assert {"ports": [{"port": 3128}]} not in trainings


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
    assert (trainings["egress"][0], ports[1:3]) == ({"to": [each_other]}, [{53, 5353}, {443, 6443}])
    assert trainings["egress"][3] == {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}


def test_the_chart_has_no_complaint_of_helms() -> None:
    done = helm("lint", "--strict", str(CHART), REGISTRY)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("typo", ["imgae.tag=1", "image.tagg=1", "replicas=many", "logLevel=LOUD", "leaderElection.on=true"])
def test_a_typo_in_the_values_is_refused(typo: str) -> None:
    done = helm("template", "x", str(CHART), "--kube-version", "1.37.2", REGISTRY, "--set", typo)
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
    no_registry = "image.registry="
    assert images(no_registry, "image.repository=r/op", "trainer.image.repository=tr", "image.tag=abc") == ("r/op:abc", "tr:abc")
    assert images("trainer.image.repository=r/tr", "trainer.image.tag=x") == (
        "registry.example/lwm-operator:0.1.0",
        "registry.example/r/tr:x",
    )
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
