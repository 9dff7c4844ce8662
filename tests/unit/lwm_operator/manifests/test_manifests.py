import json
from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest

from lwm_operator.manifests.attempt import supporting_objects
from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.job import jobs
from lwm_operator.manifests.run_config import run_config
from lwm_trainer.config import HIDDEN_VARIABLES, RunConfig, Start
from simulation.builders import UID, spec, stage, training


def run(**changes: Any) -> AttemptSpec:
    start = Start(earlier_attempts=(2, 1), stage_checkpoint="gs://before/60")
    return AttemptSpec(training=training(**changes), stage=1, attempt=3, start=start, image="lwm-trainer:1", template="t")


def job(run: AttemptSpec) -> dict[str, Any]:
    """The Job of the only slice."""
    (manifest,) = jobs(run)
    return manifest


def pod(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = job(run(**changes))["spec"]["template"]["spec"]
    return spec


def environment(**changes: Any) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in pod(**changes)["containers"][0]["env"]}


def companion(kind: str, **changes: Any) -> dict[str, Any]:
    return next(manifest for manifest in supporting_objects(run(**changes)) if manifest["kind"] == kind)


@pytest.mark.parametrize(
    "manifest", [*supporting_objects(run()), job(run())], ids=lambda manifest: manifest["kind"] if isinstance(manifest, dict) else ""
)
def test_each_is_valid_and_belongs_to_its_training(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, "1.37", strict=True)
    about = manifest["metadata"]
    assert about["name"] == ("bible" if manifest["kind"] == "Service" else "bible-s1-a3")
    assert [(owner["uid"], owner["controller"]) for owner in about["ownerReferences"]] == [(UID, True)]
    assert about["labels"]["lwm.dev/training"] == "bible"
    assert about["labels"]["lwm.dev/uid"] == UID


def test_the_job_never_retries_by_itself_and_stays_as_evidence() -> None:
    manifest = job(run())
    assert manifest["metadata"]["annotations"] == {"lwm.dev/template": "t", "lwm.dev/first-host": "0"}
    spec = manifest["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"], spec["backoffLimitPerIndex"]) == ("Indexed", 2, 2, 0)
    # A limit for the whole Job, or a policy that fails it, would end the survivors before they have spoken.
    assert not {"backoffLimit", "maxFailedIndexes", "podFailurePolicy", "ttlSecondsAfterFinished", "activeDeadlineSeconds"} & set(spec)
    assert spec["template"]["metadata"]["labels"]["lwm.dev/attempt"] == "3"


def test_avoided_nodes_are_excluded_by_name_each_by_a_requirement_of_its_own() -> None:
    avoiding = job(replace(run(), avoided_nodes=("node1", "node2")))["spec"]["template"]["spec"]
    terms = avoiding["affinity"]["nodeAffinity"]
    assert terms["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] == [
        {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in ("node1", "node2")]}
    ]
    assert "affinity" not in pod()


def test_the_pods_grace_period_is_that_of_the_spec() -> None:
    assert pod(execution={"terminationGracePeriodSeconds": 7})["terminationGracePeriodSeconds"] == 7


def test_with_a_queue_the_job_starts_suspended_and_only_the_job_has_the_label() -> None:
    queued, plain = job(run(execution={"queueName": "team"})), job(run())
    assert (queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], queued["spec"]["suspend"]) == ("team", True)
    assert queued["spec"]["template"]["metadata"]["labels"] == plain["spec"]["template"]["metadata"]["labels"]
    assert "suspend" not in plain["spec"]
    assert not any("kueue" in label for label in plain["metadata"]["labels"])
    kubernetes_validate.validate(queued, "1.37", strict=True)


def test_priority_class_and_scheduler_are_those_of_the_spec() -> None:
    spec = pod(execution={"priorityClassName": "high", "schedulerName": "kai"})
    assert (spec["priorityClassName"], spec["schedulerName"]) == ("high", "kai")
    assert not {"priorityClassName", "schedulerName"} & set(pod())


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


def test_the_only_right_of_the_pods_is_to_patch_one_lease() -> None:
    rules = companion("Role")["rules"]
    assert rules == [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["bible-s1-a3"], "verbs": ["patch"]}]
    assert companion("RoleBinding")["subjects"][0]["name"] == pod()["serviceAccountName"] == "bible-s1-a3"


def test_an_account_of_the_user_is_bound_and_not_created() -> None:
    template = {"serviceAccountName": "with-bucket"}
    assert "ServiceAccount" not in [manifest["kind"] for manifest in supporting_objects(run(podTemplate=template))]
    assert (
        companion("RoleBinding", podTemplate=template)["subjects"][0]["name"]
        == pod(podTemplate=template)["serviceAccountName"]
        == "with-bucket"
    )


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


def test_the_run_config_holds_the_whole_attempt() -> None:
    manifest = companion("ConfigMap", stages=[stage(steps=None, tokens=4096 * 60), stage("next")])
    assert manifest["immutable"] is True
    config = RunConfig.model_validate_json(manifest["data"]["run.json"])
    assert (config.stage_index, config.stage_count, config.attempt, config.steps) == (0, 2, 3, 60)
    assert config.gang.coordinator == "bible-s1-a3-0.bible:8476"
    assert config.attempt_folder() == "gs://lwm/runs/default/bible-1a2b3c4d/s1-ctx512/a3"
    assert config.start == run().start
    assert [(dataset.name, dataset.weight) for dataset in config.datasets] == [("books", 1.0)]
    assert config.lease is not None
    assert config.lease.name == "bible-s1-a3"
    assert "stageIndex" in json.loads(manifest["data"]["run.json"])


def test_a_mixture_chooses_its_data_sets() -> None:
    changes = {
        "datasets": [{"name": name, "source": {"uri": f"gs://lwm/{name}"}} for name in ("a", "b", "c")],
        "stages": [stage(mixture=[{"dataset": "c", "weight": 3}, {"dataset": "a"}])],
    }
    config = RunConfig.model_validate_json(companion("ConfigMap", **changes)["data"]["run.json"])
    assert {dataset.name: dataset.weight for dataset in config.datasets} == {"a": 1.0, "c": 3.0}


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
    config = RunConfig.model_validate_json(companion("ConfigMap", **changes)["data"]["run.json"])
    assert (config.tokenizer, config.datasets[0].uri) == ("/lwm/tokenizer/tokenizer.json", "/lwm/datasets/books")
    assert config.checkpoint.root == "/lwm/checkpoint/default/bible-1a2b3c4d"


def test_where_an_attempt_starts_is_written_as_planned_and_the_model_does_not_depend_on_it() -> None:
    changes = {"model": spec()["model"] | {"initFrom": {"uri": "gs://lwm/llama/"}}, "stages": [stage("a"), stage("b")]}
    first = run(**changes)
    assert run_config(first).start == first.start
    assert run_config(replace(first, stage=2)).start == first.start
    assert run_config(first).model == run_config(run()).model, "manifests compare it"


def test_parameters_on_a_claim_are_mounted_for_reading() -> None:
    changes = {"model": spec()["model"] | {"initFrom": {"pvc": {"claimName": "models", "subPath": "llama"}}}}
    mounts = {mount["mountPath"]: mount for mount in pod(**changes)["containers"][0]["volumeMounts"]}
    assert (mounts["/lwm/init"]["subPath"], mounts["/lwm/init"]["readOnly"]) == ("llama", True)
    kubernetes_validate.validate(job(run(**changes)), "1.37", strict=True)
