"""The quickstart on an external cluster, chosen by its kubectl context: loads images, installs the operator with helm, copies data to a
claim or a bucket. Preflight checks run before anything is built; each error names the fix."""

import argparse
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from requests import RequestException

from quickstart.claim import NAME, Claim, claim
from quickstart.images import build_and_load, builder, image_load_help, image_names
from quickstart.results import from_bucket, from_claim
from quickstart.storage import example_objects, upload
from quickstart.times import Times
from quickstart.training import Manifest, PreparedCluster, in_bucket, on_claim
from tools.kubectl import CommandError, Kubectl, run
from tools.operator_chart import NAMESPACE, RELEASE, install

TOOLS = {"kubectl": "https://kubernetes.io/docs/tasks/tools", "helm": "https://helm.sh/docs/intro/install"}
CREATED = (
    "customresourcedefinitions.apiextensions.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "namespaces",
)
"""What the chart creates that belongs to no namespace."""
_DEFAULT = "storageclass.kubernetes.io/is-default-class"


@contextmanager
def prepared(options: argparse.Namespace, training: Manifest, times: Times) -> Iterator[PreparedCluster]:
    """The cluster of `options.context` with images, operator and data. Raises CommandError and ValueError."""
    with TemporaryDirectory(prefix="lwm-quickstart-") as folder:
        with times.part("cluster"):
            kubectl = connect(options, Path(folder))
        if options.bucket:
            with times.part("data"):
                upload_to_bucket(options.bucket)
        with times.part("images"):
            operator, trainer = images(options)
        with times.part("chart"):
            install(kubectl.kubeconfig, operator, trainer)
        command = f"kubectl --context={options.context} --namespace={kubectl.namespace}"
        teardown = (
            f"{command} delete lwmtraining {training['metadata']['name']}",
            *(() if options.bucket else (f"{command} delete persistentvolumeclaim {NAME}",)),
            f"helm --kube-context={options.context} --namespace={NAMESPACE} uninstall {RELEASE}",
        )
        if options.bucket:
            placed = in_bucket(training, options.bucket)
            yield PreparedCluster(kubectl, placed, lambda complete: from_bucket(kubectl, complete), "", command, teardown)
            return
        with claim(kubectl, trainer, options.storage_class, options.access_mode) as held:
            with times.part("data"):
                held.fill(example_objects(), folders=("runs",))
            placed = on_claim(training, NAME, node_of(held) if options.access_mode == "ReadWriteOnce" else None)
            copy = Path(folder) / "read"
            yield PreparedCluster(kubectl, placed, lambda complete: from_claim(held, complete, copy), "", command, teardown)


def connect(options: argparse.Namespace, folder: Path) -> Kubectl:
    """kubectl in the namespace of the context's cluster, which is created where it is missing. Raises CommandError with all problems."""
    if not (options.image_load or options.images_loaded):
        raise CommandError(image_load_help(options.context))
    _raise(missing_tools(building=not options.images_loaded))
    kubectl = Kubectl(write_kubeconfig(options.context, folder / "kubeconfig"), options.namespace)
    _raise(connection_problems(kubectl, options.context))
    problems = permission_problems(kubectl, options.context)
    _raise(problems if problems or options.bucket else storage_problems(kubectl, options.storage_class))
    if not kubectl.get("namespace", options.namespace):
        kubectl("create", "namespace", options.namespace)
    return kubectl


def _raise(problems: list[str]) -> None:
    if problems:
        raise CommandError("cannot start yet:\n" + "\n".join(f"  - {problem}" for problem in problems))


def upload_to_bucket(bucket: str) -> None:
    """Uploads the example's objects with this user's own credentials. Raises CommandError."""
    try:
        upload(example_objects(), bucket)
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        cure = "create the bucket, log in with `gcloud auth application-default login`, and get roles/storage.objectUser on it"
        raise CommandError(f"BUCKET=gs://{bucket} cannot be written: {cure} ({error})") from error


def images(options: argparse.Namespace) -> tuple[str, str]:
    """Names of the operator's and the trainer's image, both of which the cluster has then."""
    if options.images_loaded:
        return image_names(options.images_loaded, options.image_registry)
    return build_and_load(options.image_load, options.image_registry)


def node_of(held: Claim) -> dict[str, str]:
    """Selector of the node of the claim's pod: a volume that only one node may mount keeps all hosts there."""
    label = "kubernetes.io/hostname"
    return {label: held.kubectl.get("node", held.node)["metadata"]["labels"][label]}


def missing_tools(*, building: bool) -> list[str]:
    """Programs that are missing on this machine."""
    missing = [f"{name} is not on the PATH: install it ({where})" for name, where in TOOLS.items() if not shutil.which(name)]
    if building:
        if not shutil.which("git"):
            missing.append("git is not on the PATH: install it, images are tagged with the commit's hash")
        if builder() is None:
            missing.append("neither docker (its daemon must answer `docker version`) nor buildah is available: install one or start docker")
    return missing


def write_kubeconfig(context: str, path: Path) -> Path:
    """Writes the entries of this one context to `path`. Raises CommandError where kubectl has no such context."""
    known = run("kubectl", "config", "get-contexts", "--output=name").split()
    if context not in known:
        raise CommandError(
            f"CONTEXT={context}: kubectl has no such context: choose one of {', '.join(known) or '(none: is KUBECONFIG right?)'}"
        )
    path.touch(mode=0o600)
    path.write_text(run("kubectl", "config", "view", "--raw", "--minify", "--flatten", f"--context={context}"))
    return path


def connection_problems(kubectl: Kubectl, context: str) -> list[str]:
    """An API server that does not answer."""
    try:
        kubectl("get", "--raw=/readyz", "--request-timeout=15s", seconds=30)
    except CommandError as error:
        last = str(error).splitlines()[-1]
        return [
            f"the API server of context {context} does not answer: is the cluster up? `kubectl --context={context} cluster-info` ({last})"
        ]
    return []


def permission_problems(kubectl: Kubectl, context: str) -> list[str]:
    """Kinds that the chart creates and the user of the context may not."""
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


def storage_problems(kubectl: Kubectl, storage_class: str) -> list[str]:
    """A claim that cannot be bound: no such class, or neither a default class nor a free volume."""
    classes = {item["metadata"]["name"]: item["metadata"] for item in _items(kubectl, "storageclasses")}
    names = ", ".join(classes) or "none"
    if storage_class and storage_class not in classes:
        return [f"STORAGE_CLASS={storage_class}: the cluster has {names}: choose one of these"]
    if storage_class:
        return []
    if any(metadata.get("annotations", {}).get(_DEFAULT) == "true" for metadata in classes.values()) or kubectl.get(
        "persistentvolumeclaim", NAME
    ):
        return []
    volumes = _items(kubectl, "persistentvolumes")
    if any(not volume["spec"].get("storageClassName") and volume["status"].get("phase") == "Available" for volume in volumes):
        return []
    return [
        f"the cluster has no default StorageClass and no free volume: set STORAGE_CLASS=<one of {names}>,"
        " or use a bucket with BUCKET=gs://name"
    ]


def _items(kubectl: Kubectl, kind: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(kubectl("get", kind, "--output=json"))["items"]
    return items
