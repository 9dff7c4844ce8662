from typing import Any

import kubernetes_validate
import pytest

from lwm_operator.manifests.attempt import supporting_objects
from simulation.builders import UID
from unit.lwm_operator.manifests.attempt_manifests import job, pod, run, supporting_object


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


def test_the_only_right_of_the_pods_is_to_patch_one_lease() -> None:
    rules = supporting_object("Role")["rules"]
    assert rules == [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["bible-s1-a3"], "verbs": ["patch"]}]
    assert supporting_object("RoleBinding")["subjects"][0]["name"] == pod()["serviceAccountName"] == "bible-s1-a3"


def test_an_account_of_the_user_is_bound_and_not_created() -> None:
    template = {"serviceAccountName": "with-bucket"}
    assert "ServiceAccount" not in [manifest["kind"] for manifest in supporting_objects(run(podTemplate=template))]
    assert (
        supporting_object("RoleBinding", podTemplate=template)["subjects"][0]["name"]
        == pod(podTemplate=template)["serviceAccountName"]
        == "with-bucket"
    )
