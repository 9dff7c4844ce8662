"""The Job that prepares a data set, and what its workers need."""

from typing import Any

import kubernetes_validate
import pytest

from lwm_operator.manifests.common import Manifest
from lwm_operator.manifests.preparation import PreparationSpec, preparation_companions, preparation_job, prepare_config
from lwm_trainer.config import Lease, PrepareConfig
from simulation.builders import UID, spec, training

TPU = {"type": "tpu", "tpu": {"family": "v5p", "topology": "2x2x1"}}


def here(preparation: dict[str, Any] | None = None, **changes: Any) -> PreparationSpec:
    """Of the second of two data sets."""
    sets = [{"name": name, "source": {"uri": f"gs://lwm/{name}"}, "preparation": preparation or {"workers": 3}} for name in ("a", "books")]
    made = training(**{"datasets": sets, "seed": 7, **changes})
    return PreparationSpec(training=made, number=2, run=1, image="lwm-trainer:1", template="t")


def pod(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = preparation_job(here(**changes))["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("manifest", [*preparation_companions(here()), preparation_job(here())], ids=lambda made: made["kind"])
def test_each_is_valid_and_belongs_to_its_training_and_data_set(manifest: Manifest) -> None:
    kubernetes_validate.validate(manifest, "1.37", strict=True)
    about = manifest["metadata"]
    assert about["name"] == "bible-d2-r1"
    assert [(owner["uid"], owner["controller"]) for owner in about["ownerReferences"]] == [(UID, True)]
    assert (about["labels"]["lwm.dev/dataset"], about["labels"]["lwm.dev/run"], about["labels"]["lwm.dev/uid"]) == ("books", "1", UID)
    assert not {"lwm.dev/stage", "lwm.dev/attempt", "lwm.dev/slice"} & set(about["labels"])


def test_workers_are_tried_again_and_what_nobody_can_help_ends_the_job() -> None:
    made = preparation_job(here())["spec"]
    assert (made["completionMode"], made["completions"], made["parallelism"]) == ("Indexed", 3, 3)
    assert (made["backoffLimitPerIndex"], made["maxFailedIndexes"]) == (6, 0)
    fatal, disrupted = made["podFailurePolicy"]["rules"]
    assert (fatal["action"], fatal["onExitCodes"]["values"]) == ("FailJob", [64, 65, 66, 77, 78])
    assert (disrupted["action"], disrupted["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert pod()["restartPolicy"] == "Never", "as a failure policy asks for"
    assert pod()["containers"][0]["name"] == fatal["onExitCodes"]["containerName"]


def test_its_pods_want_no_accelerator_and_have_requests_of_their_own() -> None:
    users = {"resources": {"requests": {"cpu": 100}}, "nodeSelector": {"disk": "fast"}, "env": [{"name": "MINE", "value": "1"}]}
    found = pod(accelerator=TPU, podTemplate=users)
    (container,) = found["containers"]
    assert container["command"] == ["python", "-m", "lwm_trainer.preparation"]
    assert (container["image"], found["nodeSelector"]) == ("lwm-trainer:1", {"disk": "fast"})
    assert container["resources"] == {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
    assert {toleration["key"] for toleration in found["tolerations"]} == {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
    names = {each["name"]: each["value"] for each in container["env"]}
    assert (names["MINE"], names["STORAGE_EMULATOR_HOST"]) == ("1", "http://fake-gcs.lwm-storage.svc:4443")
    assert not {name for name in names if name.startswith(("TPU", "PJRT", "LWM_SLICE"))}
    more = pod(preparation={"workers": 1, "resources": {"requests": {"cpu": 8, "memory": "32Gi"}}})["containers"][0]["resources"]
    assert more == {"requests": {"cpu": 8, "memory": "32Gi"}, "limits": {}}


def test_claims_are_read_only_but_the_one_that_is_written_to() -> None:
    claims = {"checkpoint": {"pvc": {"claimName": "runs"}}, "tokenizer": {"pvc": {"claimName": "shelf", "subPath": "t"}}}
    shelf = [
        {"name": name, "source": {"pvc": {"claimName": "shelf", "subPath": name}}, "preparation": {"workers": 1}} for name in ("a", "books")
    ]
    found = pod(**claims, datasets=shelf, model={**spec()["model"], "initFrom": {"pvc": {"claimName": "llama"}}})
    paths = {each["mountPath"]: each for each in found["containers"][0]["volumeMounts"] if each["mountPath"].startswith("/lwm")}
    assert {path: (each["readOnly"], each.get("subPath")) for path, each in paths.items()} == {
        "/lwm/checkpoint": (False, None),
        "/lwm/tokenizer": (True, "t"),
        "/lwm/datasets/books": (True, "books"),
    }, "and no other data set's, and not the first parameters"


def test_workers_are_told_what_the_stage_will_be_and_where_equal_ones_are_shared() -> None:
    made = prepare_config(here())
    assert (made.dataset.name, made.dataset.uri, made.seed, made.workers) == ("books", "gs://lwm/books", 7, 3)
    assert (made.root, made.lease) == ("gs://lwm/runs/datasets", Lease(namespace="default", name="bible-d2-r1"))
    assert (made.vocab_size, made.vision_vocab_size) == (2048, None)
    assert prepare_config(here(checkpoint={"pvc": {"claimName": "runs"}})).root == "/lwm/checkpoint/datasets"
    assert prepare_config(here(model={**spec()["model"], "vision": {"vocabSize": 64}})).vision_vocab_size == 64
    carried = next(each for each in preparation_companions(here()) if each["kind"] == "ConfigMap")["data"]["run.json"]
    assert PrepareConfig.model_validate_json(carried) == made


def test_worker_0_may_patch_its_lease_and_nothing_else() -> None:
    role = next(each for each in preparation_companions(here()) if each["kind"] == "Role")
    assert role["rules"] == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["bible-d2-r1"], "verbs": ["patch"]}
    ]
    kinds = [each["kind"] for each in preparation_companions(here(podTemplate={"serviceAccountName": "mine"}))]
    assert "ServiceAccount" not in kinds


def test_a_queue_admits_it_like_an_attempt() -> None:
    made = preparation_job(here(execution={"queueName": "team"}))
    assert (made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"], made["spec"]["suspend"]) == ("team", True)
    assert "suspend" not in preparation_job(here())["spec"]
