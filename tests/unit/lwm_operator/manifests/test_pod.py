from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest

from lwm_trainer.config import HIDDEN_VARIABLES, RunConfig
from simulation.builders import spec
from unit.lwm_operator.manifests.attempt_manifests import environment, job, pod, run, supporting_object


def test_the_pods_grace_period_is_that_of_the_spec() -> None:
    assert pod(execution={"terminationGracePeriodSeconds": 7})["terminationGracePeriodSeconds"] == 7


def test_the_pod_is_restricted() -> None:
    spec = pod()
    security, container = spec["securityContext"], spec["containers"][0]
    assert (security["runAsNonRoot"], security["runAsUser"], security["seccompProfile"]) == (True, 65532, {"type": "RuntimeDefault"})
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    assert [volume["name"] for volume in spec["volumes"]] == ["config", "token", "tmp"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)


@pytest.mark.parametrize("fixed_user", [True, False])
def test_the_platform_may_assign_the_user_and_no_claim_is_changed_file_by_file(fixed_user: bool) -> None:
    security = job(replace(run(), fixed_user=fixed_user))["spec"]["template"]["spec"]["securityContext"]
    assert {name: security.get(name) for name in ("runAsUser", "runAsGroup", "fsGroup")} == dict.fromkeys(
        ("runAsUser", "runAsGroup", "fsGroup"), 65532 if fixed_user else None
    )
    assert (security["runAsNonRoot"], security["fsGroupChangePolicy"]) == (True, "OnRootMismatch")


def test_hosts_spread_by_preference_and_leave_lost_nodes_soon() -> None:
    spec = pod()
    assert spec["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "ScheduleAnyway"
    assert {toleration["key"]: toleration["tolerationSeconds"] for toleration in spec["tolerations"]} == {
        "node.kubernetes.io/not-ready": 30,
        "node.kubernetes.io/unreachable": 30,
    }


def test_the_environment_of_a_cpu_host() -> None:
    variables = environment()
    assert variables["PJRT_NPROC"] == "2"
    assert {variables[name] for name in ("STORAGE_EMULATOR_HOST", "TENSORSTORE_GCS_HTTP_URL")} == {"http://fake-gcs.lwm-storage.svc:4443"}
    assert "STORAGE_EMULATOR_HOST" not in environment(checkpoint={"uri": "gs://real/runs"})


def test_the_users_variables_are_set_but_the_operators_take_precedence() -> None:
    variables = environment(podTemplate={"env": [{"name": "MINE", "value": "1"}, {"name": "PJRT_NPROC", "value": "64"}]})
    assert (variables["MINE"], variables["PJRT_NPROC"]) == ("1", "2")


def test_a_variable_may_come_from_a_secret_or_a_config_map_but_not_replace_the_operators() -> None:
    secret = {"secretKeyRef": {"name": "hf-token", "key": "token"}}
    settings = {"configMapKeyRef": {"name": "settings", "key": "a.b", "optional": True}}
    env = [{"name": "A", "valueFrom": secret}, {"name": "B", "valueFrom": settings}, {"name": "HOME", "valueFrom": secret}]
    variables = {variable["name"]: variable for variable in pod(podTemplate={"env": env})["containers"][0]["env"]}
    assert (variables["A"], variables["B"]) == ({"name": "A", "valueFrom": secret}, {"name": "B", "valueFrom": settings})
    assert variables["HOME"] == {"name": "HOME", "value": "/tmp"}
    assert variables[HIDDEN_VARIABLES]["value"] == "A"
    assert HIDDEN_VARIABLES not in environment()


def test_labels_annotations_and_the_runtime_class_are_the_users_beside_the_operators() -> None:
    fields = {"labels": {"sidecar.istio.io/inject": "false"}, "annotations": {"note": "a"}, "runtimeClassName": "nvidia"}
    manifest = job(run(podTemplate=fields))
    metadata, own = (job(run(podTemplate=template))["spec"]["template"]["metadata"] for template in (fields, {}))
    assert metadata["labels"] == own["labels"] | fields["labels"]
    assert metadata["annotations"] == own["annotations"] | fields["annotations"]
    assert manifest["spec"]["template"]["spec"]["runtimeClassName"] == "nvidia"
    assert manifest["metadata"]["labels"] == job(run())["metadata"]["labels"]
    assert "runtimeClassName" not in pod()
    kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_pull_secrets_are_set_if_there_are_any() -> None:
    assert pod(podTemplate={"imagePullSecrets": [{"name": "registry"}]})["imagePullSecrets"] == [{"name": "registry"}]
    assert "imagePullSecrets" not in pod()


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (None, {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}),
        ({"requests": {"memory": "8Gi"}}, {"requests": {"cpu": "250m", "memory": "8Gi"}, "limits": {}}),
        ({"limits": {"memory": "512Mi", "cpu": 1}}, {"requests": {}, "limits": {"memory": "512Mi", "cpu": 1}}),
    ],
)
def test_resources(resources: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    template = {} if resources is None else {"resources": resources}
    assert pod(podTemplate=template)["containers"][0]["resources"] == expected


def test_folders_on_claims_are_mounted_once_each() -> None:
    claim = {"claimName": "shared"}
    changes = {
        "checkpoint": {"pvc": {**claim, "subPath": "runs"}},
        "tokenizer": {"pvc": {**claim, "subPath": "tok"}},
        "datasets": [{"name": "books", "source": {"pvc": {"claimName": "texts"}}}],
    }
    spec = pod(**changes)
    kubernetes_validate.validate(job(run(**changes)), "1.37", strict=True)
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in spec["volumes"] if "persistentVolumeClaim" in volume
    }
    assert sorted(claims.values()) == ["shared", "texts"]
    mounts = {mount["mountPath"]: mount for mount in spec["containers"][0]["volumeMounts"]}
    assert (mounts["/lwm/checkpoint"]["subPath"], mounts["/lwm/checkpoint"]["readOnly"]) == ("runs", False)
    assert claims[mounts["/lwm/datasets/books"]["name"]] == "texts"
    config = RunConfig.model_validate_json(supporting_object("ConfigMap", **changes)["data"]["run.json"])
    assert (config.tokenizer, config.datasets[0].uri) == ("/lwm/tokenizer/tokenizer.json", "/lwm/datasets/books")
    assert config.checkpoint.root == "/lwm/checkpoint/default/bible-1a2b3c4d"


def test_parameters_on_a_claim_are_mounted_for_reading() -> None:
    changes = {"model": spec()["model"] | {"initFrom": {"pvc": {"claimName": "models", "subPath": "llama"}}}}
    mounts = {mount["mountPath"]: mount for mount in pod(**changes)["containers"][0]["volumeMounts"]}
    assert (mounts["/lwm/init"]["subPath"], mounts["/lwm/init"]["readOnly"]) == ("llama", True)
    kubernetes_validate.validate(job(run(**changes)), "1.37", strict=True)
