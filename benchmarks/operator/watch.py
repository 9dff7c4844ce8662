"""Objects of the API server as they change, each with the moment (seconds since the epoch) at which this machine heard of it."""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self

from tools.kubectl import Kubectl

Manifest = dict[str, Any]


@dataclass(frozen=True)
class WatchEvent:
    moment: float
    type: str
    """ADDED, MODIFIED or DELETED."""
    object: Manifest

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])


Predicate = Callable[[WatchEvent], bool]


class WatchTimeoutError(Exception):
    """The event did not come in time."""


class Watch:
    """A watch of one kind in the namespace: `with Watch(kubectl, "batch/v1", "jobs") as jobs`. It begins with what is there."""

    def __init__(self, kubectl: Kubectl, version: str, plural: str) -> None:
        root = "/api/v1" if version == "v1" else f"/apis/{version}"
        path = f"{root}/namespaces/{kubectl.namespace}/{plural}?watch=true"
        self._what = plural
        self._command = [kubectl.program, f"--kubeconfig={kubectl.kubeconfig}", "get", "--raw", path]
        self._news = threading.Condition()
        self._events: list[WatchEvent] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._thread = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()

    def _read(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                if line.endswith("\n"):  # the last one is torn when kubectl is killed
                    self._receive(line)

    def _receive(self, line: str) -> None:
        event = json.loads(line)
        with self._news:
            self._events.append(WatchEvent(time.time(), event["type"], event["object"]))
            self._news.notify_all()

    def events(self) -> list[WatchEvent]:
        """All events until now."""
        with self._news:
            return list(self._events)

    def first(self, holds: Predicate, seconds: float, sentence: str) -> WatchEvent:
        """Waits for the first event for which `holds` is true. Raises WatchTimeoutError after `seconds`."""
        end, checked = time.monotonic() + seconds, 0
        with self._news:
            while True:
                for event in self._events[checked:]:
                    if holds(event):
                        return event
                checked = len(self._events)
                if (left := end - time.monotonic()) <= 0:
                    raise WatchTimeoutError(f"after {seconds:.0f} s still not: {sentence} (watch of {self._what}, {checked} events)")
                self._news.wait(left)


def labels(manifest: Manifest) -> dict[str, str]:
    present: dict[str, str] = manifest["metadata"].get("labels", {})
    return present


def anything(_: WatchEvent) -> bool:
    return True


def named(name: str, holds: Predicate = anything) -> Predicate:
    """The object of that name, if `holds` is true, too."""
    return lambda event: event.name == name and holds(event)


def of_job(job: str, index: int | None = None, holds: Predicate = anything) -> Predicate:
    """Pods of the Job, and of its host where one is named, for which `holds` is true, too."""

    def ours(event: WatchEvent) -> bool:
        pod_labels = labels(event.object)
        host = pod_labels.get("batch.kubernetes.io/job-completion-index")
        return pod_labels.get("batch.kubernetes.io/job-name") == job and (index is None or host == str(index)) and holds(event)

    return ours


def runs(event: WatchEvent) -> bool:
    """Whether a pod runs and is not being deleted."""
    return event.object["status"].get("phase") == "Running" and "deletionTimestamp" not in event.object["metadata"]


def other_than(uid: str) -> Predicate:
    """Any object but that one."""
    return lambda event: bool(event.object["metadata"]["uid"] != uid)
