"""Somebody else's cluster, by its kubectl context: images by their hook, the operator by helm, data on a claim or in a bucket."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from requests import RequestException

from quickstart import preconditions
from quickstart.claim import NAME, Claim, claim
from quickstart.load import build_and_load, names, needed
from quickstart.manifest import Manifest, in_bucket, on_claim
from quickstart.reading import from_bucket, from_claim
from quickstart.ready import Ready
from quickstart.storage import example_objects, upload
from quickstart.times import Times
from tools.kubectl import CommandError, Kubectl
from tools.operator_chart import NAMESPACE, RELEASE, install


@contextmanager
def ready(options: argparse.Namespace, training: Manifest, times: Times) -> Iterator[Ready]:
    """Raises CommandError and ValueError."""
    with TemporaryDirectory(prefix="lwm-quickstart-") as folder:
        with times.part("cluster"):
            kubectl = connect(options, Path(folder))
        if options.bucket:
            with times.part("data"):
                into_bucket(options.bucket)
        with times.part("images"):
            operator, trainer = images(options)
        with times.part("chart"):
            install(kubectl.kubeconfig, operator, trainer)
        words = f"kubectl --context={options.context} --namespace={kubectl.namespace}"
        down = (
            f"{words} delete lwmtraining {training['metadata']['name']}",
            *(() if options.bucket else (f"{words} delete persistentvolumeclaim {NAME}",)),
            f"helm --kube-context={options.context} --namespace={NAMESPACE} uninstall {RELEASE}",
        )
        if options.bucket:
            yield Ready(kubectl, in_bucket(training, options.bucket), lambda found: from_bucket(kubectl, found), "", words, down)
            return
        with claim(kubectl, trainer, options.storage_class, options.access_mode) as held:
            with times.part("data"):
                held.fill(example_objects(), folders=("runs",))
            placed = on_claim(training, NAME, one_node(held) if options.access_mode == "ReadWriteOnce" else None)
            yield Ready(kubectl, placed, lambda found: from_claim(held, found, Path(folder) / "read"), "", words, down)


def connect(options: argparse.Namespace, folder: Path) -> Kubectl:
    """The namespace of the context's cluster, made where it is missing. Raises CommandError with everything that stands in the way."""
    if not (options.image_load or options.images_loaded):
        raise CommandError(needed(options.context))
    _raise(preconditions.tools(building=not options.images_loaded))
    kubectl = Kubectl(preconditions.kubeconfig(options.context, folder / "kubeconfig"), options.namespace)
    _raise(preconditions.reachable(kubectl, options.context))
    found = preconditions.permitted(kubectl, options.context)
    _raise(found if found or options.bucket else preconditions.storage(kubectl, options.storage_class))
    if not kubectl.get("namespace", options.namespace):
        kubectl("create", "namespace", options.namespace)
    return kubectl


def _raise(problems: list[str]) -> None:
    if problems:
        raise CommandError("this cannot work yet:\n" + "\n".join(f"  - {problem}" for problem in problems))


def into_bucket(bucket: str) -> None:
    """Uploads the example's objects with this user's own credentials. Raises CommandError."""
    try:
        upload(example_objects(), bucket)
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        cure = "make the bucket, log in by `gcloud auth application-default login`, have roles/storage.objectAdmin on it"
        raise CommandError(f"BUCKET=gs://{bucket} cannot be written: {cure} ({error})") from error


def images(options: argparse.Namespace) -> tuple[str, str]:
    """Names of the operator's and the trainer's image, both of which the cluster has then."""
    if options.images_loaded:
        return names(options.images_loaded, options.image_registry)
    return build_and_load(options.image_load, options.image_registry)


def one_node(held: Claim) -> dict[str, str]:
    """What selects the node of the claim's pod: a volume that only one node may mount keeps all hosts there."""
    label = "kubernetes.io/hostname"
    return {label: held.kubectl.get("node", held.node)["metadata"]["labels"][label]}
