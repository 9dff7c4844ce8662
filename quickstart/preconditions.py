"""What somebody else's cluster and this machine must offer, looked at before anything is built; each failure says what cures it."""

import json
import shutil
from pathlib import Path
from typing import Any

from quickstart.build import builder
from quickstart.claim import NAME
from tools.kubectl import CommandError, Kubectl, run

TOOLS = {"kubectl": "https://kubernetes.io/docs/tasks/tools", "helm": "https://helm.sh/docs/intro/install"}
CREATED = (
    "customresourcedefinitions.apiextensions.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "namespaces",
)
"""What the chart makes that belongs to no namespace."""
_DEFAULT = "storageclass.kubernetes.io/is-default-class"


def tools(*, building: bool) -> list[str]:
    """Programs that are missing on this machine."""
    missing = [f"{name} is not on the PATH: install it ({where})" for name, where in TOOLS.items() if not shutil.which(name)]
    if building:
        if not shutil.which("git"):
            missing.append("git is not on the PATH: install it, images are tagged with the commit's hash")
        if builder() is None:
            missing.append("neither docker (its daemon must answer `docker version`) nor buildah is there: install one, or start docker")
    return missing


def kubeconfig(context: str, path: Path) -> Path:
    """Writes what leads to the cluster of this context, and nothing else, to `path`. Raises CommandError where there is no such context."""
    known = run("kubectl", "config", "get-contexts", "--output=name").split()
    if context not in known:
        raise CommandError(
            f"CONTEXT={context}: kubectl knows no such context: take one of {', '.join(known) or '(none: is KUBECONFIG right?)'}"
        )
    path.touch(mode=0o600)
    path.write_text(run("kubectl", "config", "view", "--raw", "--minify", "--flatten", f"--context={context}"))
    return path


def reachable(kubectl: Kubectl, context: str) -> list[str]:
    """Whether the API server answers."""
    try:
        kubectl("get", "--raw=/readyz", "--request-timeout=15s", seconds=30)
    except CommandError as error:
        last = str(error).splitlines()[-1]
        return [
            f"the API server of context {context} does not answer: is the cluster up? `kubectl --context={context} cluster-info` ({last})"
        ]
    return []


def permitted(kubectl: Kubectl, context: str) -> list[str]:
    """What the user of the context may not create, although the chart does."""
    refused = [kind for kind in CREATED if not _may_create(kubectl, kind)]
    if not refused:
        return []
    return [f"the user of context {context} may not create {', '.join(refused)}: use a context whose user is bound to cluster-admin"]


def _may_create(kubectl: Kubectl, kind: str) -> bool:
    try:
        kubectl("auth", "can-i", "create", kind)
    except CommandError:
        return False
    return True


def storage(kubectl: Kubectl, storage_class: str) -> list[str]:
    """Whether a claim of this class can be bound: by its provisioner, or, where the cluster has no default, by a volume that waits."""
    classes = {each["metadata"]["name"]: each["metadata"] for each in _items(kubectl, "storageclasses")}
    if storage_class:
        return (
            [] if storage_class in classes else [f"STORAGE_CLASS={storage_class}: the cluster has {', '.join(classes) or 'none'}: take one"]
        )
    if any(about.get("annotations", {}).get(_DEFAULT) == "true" for about in classes.values()) or kubectl.get(
        "persistentvolumeclaim", NAME
    ):
        return []
    volumes = _items(kubectl, "persistentvolumes")
    if any(not each["spec"].get("storageClassName") and each["status"].get("phase") == "Available" for each in volumes):
        return []
    return [
        f"the cluster has no default StorageClass and no free volume: say STORAGE_CLASS=<one of {', '.join(classes) or 'none'}>,"
        " or put everything in a bucket by BUCKET=gs://name"
    ]


def _items(kubectl: Kubectl, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(kubectl("get", kind, "--output=json"))["items"]
    return found
