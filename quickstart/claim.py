"""A PersistentVolumeClaim for the example's data and checkpoints, and a pod of the trainer's image through which it is written and read."""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwm_operator.manifests.pod import CONTAINER_SECURITY, POD_SECURITY, USER
from tools.kubectl import CommandError, Kubectl, pipe, run

NAME = "lwm-quickstart"
FOLDER = "/lwm"
_SIZE = "2Gi"
_BIND_SECONDS = 300
_COPY_SECONDS = 600


@dataclass(frozen=True)
class Claim:
    """The claim `NAME` with its pod running on `node`."""

    kubectl: Kubectl
    node: str

    def fill(self, files: Mapping[str, bytes], folders: Sequence[str] = ()) -> None:
        """Writes the files and creates the folders, all of them owned by the trainer's user. Raises CommandError."""
        words = self.kubectl.command("exec", "--stdin", NAME, "--", "tar", "--extract", f"--directory={FOLDER}")
        try:
            pipe(*words, stdin=packed(files, folders), seconds=_COPY_SECONDS)
        except CommandError as error:
            raise CommandError(
                f"claim {NAME} cannot be written. If the error is Permission denied, make the volume's folder belong to user {USER} or be"
                f" writable for all, or choose another class with STORAGE_CLASS=\n{error}"
            ) from error

    def fetch(self, paths: Sequence[str], into: Path) -> None:
        """Copies files and folders, named by their paths below the claim's root, to the folder `into`. Raises CommandError."""
        words = self.kubectl.command("exec", NAME, "--", "tar", "--create", f"--directory={FOLDER}", *paths)
        into.mkdir(parents=True, exist_ok=True)
        pipe("tar", "-x", "-f", "-", "-C", str(into), stdin=pipe(*words, seconds=_COPY_SECONDS))


def packed(files: Mapping[str, bytes], folders: Sequence[str]) -> bytes:
    """A tar archive. The folders above the files are in it too: one that a kubelet creates for a `subPath` belongs to root."""
    buffer = io.BytesIO()
    above = {str(parent) for name in files for parent in Path(name).parents if str(parent) != "."}
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in sorted(above | set(folders)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@contextmanager
def claim(kubectl: Kubectl, image: str, storage_class: str = "", access_mode: str = "ReadWriteOnce") -> Iterator[Claim]:
    """The claim, created where it is missing and kept at the end, with its pod, which is deleted.

    Raises CommandError where the pod does not start."""
    if not kubectl.get("persistentvolumeclaim", NAME):
        kubectl.apply(claim_manifest(storage_class, access_mode))
    kubectl("delete", "pod", NAME, "--ignore-not-found", "--timeout=60s")
    kubectl.apply(pod_manifest(image))
    try:
        try:
            kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", f"--timeout={_BIND_SECONDS}s", seconds=_BIND_SECONDS + 30)
        except CommandError as error:
            raise CommandError(f"claim {NAME} or its pod did not start: {newest_events(kubectl)}\n{error}") from error
        yield Claim(kubectl, kubectl.get("pod", NAME)["spec"]["nodeName"])
    finally:
        run(*kubectl.command("delete", "pod", NAME, "--ignore-not-found", "--wait=false"))


def newest_events(kubectl: Kubectl) -> str:
    """The newest Events of claim and pod, which name a missing class, an image that does not exist, or a full node."""
    events = json.loads(kubectl("get", "events", f"--field-selector=involvedObject.name={NAME}", "--output=json"))["items"]
    return "; ".join(dict.fromkeys(f"{event['reason']}: {event['message']}" for event in events[-4:])) or "no Event gives a reason"


def claim_manifest(storage_class: str, access_mode: str) -> dict[str, Any]:
    """The claim's manifest. Without a class, the cluster uses its default."""
    spec: dict[str, Any] = {"accessModes": [access_mode], "resources": {"requests": {"storage": _SIZE}}}
    if storage_class:
        spec["storageClassName"] = storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": NAME}, "spec": spec}


def pod_manifest(image: str) -> dict[str, Any]:
    """A pod that waits, with the user of a trainer's pods, so that both can write each other's files."""
    container = {
        "name": "wait",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "6h"],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "claim", "mountPath": FOLDER}],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": [{"name": "claim", "persistentVolumeClaim": {"claimName": NAME}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME}, "spec": spec}
