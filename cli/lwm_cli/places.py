"""Where a training is: in a folder of local mode, or in a cluster, which is asked by kubectl. Both answer the same questions."""

import json
import shutil
import subprocess
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lwm_cli.errors import PlaceError
from lwm_cli.local.folder import RUNS, TRAINING, TrainingFolder, parse_stored
from lwm_cli.local.local_cluster import ATTEMPTS
from lwm_operator.api.names import CONTAINER, KIND, PLURAL
from lwm_operator.api.training import Training

Body = dict[str, Any]
SECONDS = 60


class Place(Protocol):
    """Holds one training. Every method raises PlaceError."""

    def body(self) -> Body:
        """The object as it is stored."""

    def set_spec(self, fields: Body) -> None:
        """Set fields of spec, and leave all others as they are."""

    def events(self) -> list[Body]:
        """Events in order of time, with time, type, reason, message and count."""

    def log(self, job: str, host: int, pod: str | None, lines: int) -> str:
        """The last lines of the log of a host of an attempt, whose Job and, where it is known, pod are named."""

    def hint(self) -> str:
        """What is still to do after a change of the spec; empty when it takes effect by itself."""


@dataclass(frozen=True)
class FolderPlace:
    """A folder that `lwm train` has written."""

    path: Path

    def body(self) -> Body:
        try:
            return TrainingFolder(self.path).body()
        except FileNotFoundError as error:
            raise self._no_training() from error
        except (OSError, json.JSONDecodeError) as error:
            raise PlaceError(f"{self.path / TRAINING}: {error}") from error

    def set_spec(self, fields: Body) -> None:
        try:
            TrainingFolder(self.path).change(lambda body: body["spec"].update(fields))
        except FileNotFoundError as error:
            raise self._no_training() from error
        except OSError as error:
            raise PlaceError(str(error)) from error

    def events(self) -> list[Body]:
        if not TrainingFolder(self.path).exists:
            raise self._no_training()
        return sorted(TrainingFolder(self.path).events(), key=lambda event: str(event["time"]))

    def log(self, job: str, host: int, pod: str | None, lines: int) -> str:  # noqa: ARG002 - files are named by the Job
        file = self.path / ATTEMPTS / job / f"{job}-{host}.log"
        try:
            with file.open(encoding="utf-8", errors="replace") as text:
                return "".join(deque(text, lines))
        except OSError as error:
            raise PlaceError(
                f"{file}: {error.strerror}: logs of failed attempts stay for failurePolicy.failedAttemptsHistoryLimit"
            ) from error

    def hint(self) -> str:
        return "" if TrainingFolder(self.path).in_use else "no lwm train works on this folder: give its command again to go on"

    def _no_training(self) -> PlaceError:
        return PlaceError(f"{self.path}: there is no training yet: lwm train, or apply of the Python API, makes it")


@dataclass(frozen=True)
class ClusterPlace:
    """A training in a cluster. `words` are kubectl's options for context and namespace."""

    name: str
    words: Sequence[str] = ()

    def body(self) -> Body:
        body: Body = kubectl("get", PLURAL, self.name, "--output=json", *self.words)
        return body

    def set_spec(self, fields: Body) -> None:
        kubectl("patch", PLURAL, self.name, "--type=merge", f"--patch={json.dumps({'spec': fields})}", "--output=json", *self.words)

    def events(self) -> list[Body]:
        fields = f"--field-selector=regarding.kind={KIND},regarding.name={self.name}"
        items = kubectl("get", "events.v1.events.k8s.io", fields, "--output=json", *self.words)["items"]
        return sorted((_event(item) for item in items), key=lambda event: str(event["time"]))

    def log(self, job: str, host: int, pod: str | None, lines: int) -> str:
        labels = f"--selector=batch.kubernetes.io/job-name={job},batch.kubernetes.io/job-completion-index={host}"
        return run_kubectl("logs", pod or labels, f"--container={CONTAINER}", f"--tail={lines}", *self.words)

    def hint(self) -> str:
        return ""


def place_of(target: str, words: Sequence[str] = ()) -> Place:
    """A folder, where there is one of that name, else the training of that name in the cluster."""
    if (Path(target) / TRAINING).exists():
        return FolderPlace(Path(target))
    if Path(target).is_dir() or "/" in target:
        raise PlaceError(f"{target}: no lwm train has written there: give the folder that it named, or the name of a training in a cluster")
    return ClusterPlace(target, words)


def cluster_words(namespace: str | None, context: str | None) -> list[str]:
    """kubectl's options for a namespace and a context."""
    return [*([f"--namespace={namespace}"] if namespace else []), *([f"--context={context}"] if context else [])]


def local_places() -> list[FolderPlace]:
    """The folders of trainings directly below RUNS."""
    return [FolderPlace(path.parent) for path in sorted(RUNS.glob(f"*/{TRAINING}"))]


def cluster_bodies(words: Sequence[str]) -> list[Body]:
    """All trainings that kubectl lists with these options. Raises PlaceError."""
    items: list[Body] = kubectl("get", PLURAL, "--output=json", *words)["items"]
    return items


def parse_body(body: Body) -> Training:
    """The training, also one of local mode."""
    return parse_stored(body)


def kubectl(*words: str) -> Any:
    """The JSON that kubectl prints. Raises PlaceError."""
    return json.loads(run_kubectl(*words))


def run_kubectl(*words: str, text: str | None = None) -> str:
    """What kubectl prints, given `text` on its standard input. Raises PlaceError."""
    if shutil.which("kubectl") is None:
        raise PlaceError("kubectl is not installed: it is needed for trainings in a cluster")
    try:
        done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise PlaceError(f"kubectl did not answer within {SECONDS} s") from error
    if done.returncode:
        raise PlaceError(done.stderr.strip() or f"kubectl ended with {done.returncode}")
    return done.stdout


def _event(item: Body) -> Body:
    series = item.get("series") or {}
    return {
        "time": series.get("lastObservedTime") or item.get("eventTime") or item["metadata"]["creationTimestamp"],
        "type": item.get("type", ""),
        "reason": item.get("reason", ""),
        "message": item.get("note", ""),
        "count": series.get("count", 1),
    }
