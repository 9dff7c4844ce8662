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
class Seen:
    moment: float
    type: str
    """ADDED, MODIFIED or DELETED."""
    object: Manifest

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])


Test = Callable[[Seen], bool]


class NotSeenError(Exception):
    """What was waited for did not come in time."""


class Watch:
    """A watch of one kind in the namespace: `with Watch(kubectl, "batch/v1", "jobs") as jobs`. It begins with what is there."""

    def __init__(self, kubectl: Kubectl, version: str, plural: str) -> None:
        root = "/api/v1" if version == "v1" else f"/apis/{version}"
        path = f"{root}/namespaces/{kubectl.namespace}/{plural}?watch=true"
        self._what = plural
        self._command = [kubectl.program, f"--kubeconfig={kubectl.kubeconfig}", "get", "--raw", path]
        self._news = threading.Condition()
        self._seen: list[Seen] = []

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
                    self._heard(line)

    def _heard(self, line: str) -> None:
        event = json.loads(line)
        with self._news:
            self._seen.append(Seen(time.time(), event["type"], event["object"]))
            self._news.notify_all()

    def seen(self) -> list[Seen]:
        """All that has come until now."""
        with self._news:
            return list(self._seen)

    def first(self, holds: Test, seconds: float, sentence: str) -> Seen:
        """The earliest event of which `holds` is true, waited for. Raises NotSeenError after `seconds`."""
        end, looked = time.monotonic() + seconds, 0
        with self._news:
            while True:
                for seen in self._seen[looked:]:
                    if holds(seen):
                        return seen
                looked = len(self._seen)
                if (left := end - time.monotonic()) <= 0:
                    raise NotSeenError(f"after {seconds:.0f} s still not: {sentence} (watch of {self._what}, {looked} events)")
                self._news.wait(left)


def labels(manifest: Manifest) -> dict[str, str]:
    found: dict[str, str] = manifest["metadata"].get("labels", {})
    return found


def anything(_: Seen) -> bool:
    return True


def named(name: str, holds: Test = anything) -> Test:
    """The object of that name, of which the rest holds too."""
    return lambda seen: seen.name == name and holds(seen)


def of_job(job: str, index: int | None = None, holds: Test = anything) -> Test:
    """Of pods: those of the Job, and of its host where that is given, of which the rest holds too."""

    def ours(seen: Seen) -> bool:
        about = labels(seen.object)
        host = about.get("batch.kubernetes.io/job-completion-index")
        return about.get("batch.kubernetes.io/job-name") == job and (index is None or host == str(index)) and holds(seen)

    return ours


def runs(seen: Seen) -> bool:
    """Of pods: whether it runs and is not being deleted."""
    return seen.object["status"].get("phase") == "Running" and "deletionTimestamp" not in seen.object["metadata"]


def other_than(uid: str) -> Test:
    """Any object but that one."""
    return lambda seen: bool(seen.object["metadata"]["uid"] != uid)
