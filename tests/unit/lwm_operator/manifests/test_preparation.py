"""The Job that prepares a data set, and the objects of its workers."""

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest

from lwm_operator.manifests.common import Manifest
from lwm_operator.manifests.preparation import PreparationSpec, preparation_companions, preparation_job, prepare_config
from lwm_trainer.config import Lease, PrepareConfig
from simulation.builders import UID, spec, training

TPU = {"type": "tpu", "tpu": {"family": "v5p", "topology": "2x2x1"}}


def preparing(settings: dict[str, Any] | None = None, **changes: Any) -> PreparationSpec:
    """The preparation of the second of two data sets."""
    datasets = [{"name": name, "source": {"uri": f"gs://lwm/{name}"}, "preparation": settings or {"workers": 3}} for name in ("a", "books")]
    whole = training(**{"datasets": datasets, "seed": 7, **changes})
    return PreparationSpec(training=whole, number=2, run=1, image="lwm-trainer:1", template="t")


def pod(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = preparation_job(preparing(**changes))["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize(
    "manifest", [*preparation_companions(preparing()), preparation_job(preparing())], ids=lambda manifest: manifest["kind"]
)
def test_each_is_valid_and_belongs_to_its_training_and_data_set(manifest: Manifest) -> None:
    kubernetes_validate.validate(manifest, "1.37", strict=True)
    about = manifest["metadata"]
    assert about["name"] == "bible-d2-r1"
    assert [(owner["uid"], owner["controller"]) for owner in about["ownerReferences"]] == [(UID, True)]
    assert (about["labels"]["lwm.dev/dataset"], about["labels"]["lwm.dev/run"], about["labels"]["lwm.dev/uid"]) == ("books", "1", UID)
    assert not {"lwm.dev/stage", "lwm.dev/attempt", "lwm.dev/slice"} & set(about["labels"])


def test_the_platform_may_assign_the_workers_user() -> None:
    security = preparation_job(replace(preparing(), fixed_user=False))["spec"]["template"]["spec"]["securityContext"]
    assert "runAsUser" not in security
    assert pod()["securityContext"] == security | dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), 65532)


def test_workers_are_retried_and_a_permanent_failure_ends_the_job() -> None:
    job = preparation_job(preparing())["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 3, 3)
    assert (job["backoffLimitPerIndex"], job["maxFailedIndexes"]) == (6, 0)
    fatal, disrupted = job["podFailurePolicy"]["rules"]
    assert (fatal["action"], fatal["onExitCodes"]["values"]) == ("FailJob", [64, 65, 66, 77, 78])
    assert (disrupted["action"], disrupted["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert pod()["restartPolicy"] == "Never", "required by a pod failure policy"
    assert pod()["containers"][0]["name"] == fatal["onExitCodes"]["containerName"]


def test_its_pods_request_no_accelerator_and_have_their_own_requests() -> None:
    users = {"resources": {"requests": {"cpu": 100}}, "nodeSelector": {"disk": "fast"}, "env": [{"name": "MINE", "value": "1"}]}
    spec = pod(accelerator=TPU, podTemplate=users)
    (container,) = spec["containers"]
    assert container["command"] == ["python", "-m", "lwm_trainer.preparation"]
    assert (container["image"], spec["nodeSelector"]) == ("lwm-trainer:1", {"disk": "fast"})
    assert container["resources"] == {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
    assert {toleration["key"] for toleration in spec["tolerations"]} == {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
    names = {variable["name"]: variable["value"] for variable in container["env"]}
    assert (names["MINE"], names["STORAGE_EMULATOR_HOST"]) == ("1", "http://fake-gcs.lwm-storage.svc:4443")
    assert not {name for name in names if name.startswith(("TPU", "PJRT", "LWM_SLICE"))}
    more = pod(settings={"workers": 1, "resources": {"requests": {"cpu": 8, "memory": "32Gi"}}})["containers"][0]["resources"]
    assert more == {"requests": {"cpu": 8, "memory": "32Gi"}, "limits": {}}


def test_its_pods_have_the_users_labels_annotations_and_runtime_class() -> None:
    fields = {"labels": {"team": "a"}, "annotations": {"note": "b"}, "runtimeClassName": "nvidia"}
    template = preparation_job(preparing(podTemplate=fields))["spec"]["template"]
    assert (template["metadata"]["labels"]["team"], template["metadata"]["annotations"]) == ("a", {"note": "b"})
    assert template["spec"]["runtimeClassName"] == "nvidia"


def test_all_claims_but_that_of_the_checkpoints_are_read_only() -> None:
    claims = {"checkpoint": {"pvc": {"claimName": "runs"}}, "tokenizer": {"pvc": {"claimName": "shelf", "subPath": "t"}}}
    shelf = [
        {"name": name, "source": {"pvc": {"claimName": "shelf", "subPath": name}}, "preparation": {"workers": 1}} for name in ("a", "books")
    ]
    pod_spec = pod(**claims, datasets=shelf, model={**spec()["model"], "initFrom": {"pvc": {"claimName": "llama"}}})
    mounts = {mount["mountPath"]: mount for mount in pod_spec["containers"][0]["volumeMounts"] if mount["mountPath"].startswith("/lwm")}
    assert {path: (mount["readOnly"], mount.get("subPath")) for path, mount in mounts.items()} == {
        "/lwm/checkpoint": (False, None),
        "/lwm/tokenizer": (True, "t"),
        "/lwm/datasets/books": (True, "books"),
    }, "and neither those of other data sets nor the initial parameters"


def test_the_config_of_the_workers_holds_the_data_set_and_the_shared_folder() -> None:
    config = prepare_config(preparing())
    assert (config.dataset.name, config.dataset.uri, config.seed, config.workers) == ("books", "gs://lwm/books", 7, 3)
    assert (config.root, config.lease) == ("gs://lwm/runs/datasets", Lease(namespace="default", name="bible-d2-r1"))
    assert (config.vocab_size, config.vision_vocab_size) == (2048, None)
    assert prepare_config(preparing(checkpoint={"pvc": {"claimName": "runs"}})).root == "/lwm/checkpoint/datasets"
    assert prepare_config(preparing(model={**spec()["model"], "vision": {"vocabSize": 64}})).vision_vocab_size == 64
    mounted = next(manifest for manifest in preparation_companions(preparing()) if manifest["kind"] == "ConfigMap")["data"]["run.json"]
    assert PrepareConfig.model_validate_json(mounted) == config


def test_worker_0_may_patch_its_lease_and_nothing_else() -> None:
    role = next(manifest for manifest in preparation_companions(preparing()) if manifest["kind"] == "Role")
    assert role["rules"] == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["bible-d2-r1"], "verbs": ["patch"]}
    ]
    kinds = [manifest["kind"] for manifest in preparation_companions(preparing(podTemplate={"serviceAccountName": "mine"}))]
    assert "ServiceAccount" not in kinds


def test_a_queue_admits_it_like_an_attempt() -> None:
    job = preparation_job(preparing(execution={"queueName": "team"}))
    assert (job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], job["spec"]["suspend"]) == ("team", True)
    assert "suspend" not in preparation_job(preparing())["spec"]


def encoding(accelerator: dict[str, Any], **changes: Any) -> PreparationSpec:
    return preparing({"workers": 3, "accelerator": accelerator}, **changes)


def test_workers_with_gpus_are_pods_like_those_of_a_gang() -> None:
    job = preparation_job(encoding({"type": "gpu", "gpu": {"hosts": 1, "perHost": 2, "profile": "gke-a3-high"}}))
    kubernetes_validate.validate(job, "1.37", strict=True)
    spec = job["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert job["spec"]["completions"] == 3
    assert container["resources"]["limits"]["nvidia.com/gpu"] == container["resources"]["requests"]["nvidia.com/gpu"] == 2
    assert "memory" not in container["resources"]["limits"], "nobody shares its node"
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]
    assert "/dev/shm" in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert spec["initContainers"][0]["restartPolicy"] == "Always"


def test_workers_with_tpus_select_a_slice_of_one_host() -> None:
    preparation = encoding(
        {"type": "tpu", "tpu": {"family": "v5e", "topology": "2x2", "spot": True}}, podTemplate={"nodeSelector": {"a": "b"}}
    )
    spec = preparation_job(preparation)["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {
        "a": "b",
        "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
        "cloud.google.com/gke-tpu-topology": "2x2",
        "cloud.google.com/gke-spot": "true",
    }
    assert spec["containers"][0]["resources"]["limits"] == {"google.com/tpu": 4}
    assert {"google.com/tpu", "cloud.google.com/gke-spot"} <= {toleration["key"] for toleration in spec["tolerations"]}
    assert "affinity" not in spec
    host = prepare_config(preparation).host
    assert host is not None
    assert (host.hosts, host.devices_per_host, host.platform) == (1, 4, "tpu")
    assert prepare_config(preparing()).host is None
