"""The claim and its pod."""

import io
import tarfile

from lwm_operator.manifests.pod import USER
from quickstart.claim import FOLDER, NAME, claim_manifest, packed, pod_manifest


def test_the_folders_that_pods_mount_are_in_the_archive_before_the_files_in_them() -> None:
    with tarfile.open(fileobj=io.BytesIO(packed({"books/a.txt": b"text", "t/t.json": b"{}"}, ["runs"]))) as archive:
        entries = [(member.name, member.isdir(), member.size) for member in archive]
    assert entries == [("books", True, 0), ("runs", True, 0), ("t", True, 0), ("books/a.txt", False, 4), ("t/t.json", False, 2)]


def test_only_a_named_class_is_asked_for() -> None:
    assert "storageClassName" not in claim_manifest("", "ReadWriteOnce")["spec"], "an empty name would refuse the default class"
    spec = claim_manifest("fast", "ReadWriteMany")["spec"]
    assert (spec["storageClassName"], spec["accessModes"]) == ("fast", ["ReadWriteMany"])


def test_the_pod_is_the_trainers_user_and_admitted_in_a_restricted_namespace() -> None:
    spec = pod_manifest("lwm-trainer:1")["spec"]
    (container,) = spec["containers"]
    assert (spec["securityContext"]["runAsUser"], spec["securityContext"]["fsGroup"]) == (USER, USER)
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (container["volumeMounts"][0]["mountPath"], spec["volumes"][0]["persistentVolumeClaim"]) == (FOLDER, {"claimName": NAME})
