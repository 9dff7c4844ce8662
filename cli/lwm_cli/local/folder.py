"""The folder of a training in local mode, in place of the API server: the object, its Events, and which `lwm train` works on it."""

import fcntl
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lwm_cli.errors import CommandError
from lwm_cli.local.files import read_text, write_whole
from lwm_operator.api import names
from lwm_operator.api.training import Training, parse_training
from lwm_operator.plan.timestamps import stamp

Body = dict[str, Any]

NAMESPACE = "default"
RUNS = Path("runs")
"""Where the folders of trainings are unless `--out` names another place."""
TRAINING, EVENTS, LOCK = "training.json", "events.jsonl", "lock"


class FolderInUseError(CommandError):
    """Another `lwm train` works on the folder."""

    exit_code = 2


class TrainingFolder:
    """Reads and writes the training of a folder. Each write is whole, and one after the other over all processes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        return (self.path / TRAINING).exists()

    def body(self) -> Body:
        """The stored object. Raises FileNotFoundError."""
        body: Body = json.loads((self.path / TRAINING).read_text(encoding="utf-8"))
        return body

    def training(self) -> Training:
        """Raises FileNotFoundError."""
        return parse_stored(self.body())

    def create(self, name: str, spec: Body) -> None:
        """Store a new training under a new uid. Raises OSError."""
        self.path.mkdir(parents=True, exist_ok=True)
        now = stamp(datetime.now(UTC))
        about = {
            "name": name,
            "namespace": NAMESPACE,
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": now,
        }
        self._write({"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": about, "spec": spec})

    def change(self, change: Callable[[Body], None]) -> bool:
        """Change the stored object; return False when it was so already. A change of the spec is a new generation. Raises OSError."""
        with self._only_writer():
            body = self.body()
            before = json.dumps(body, sort_keys=True)
            spec_before = json.dumps(body["spec"], sort_keys=True)
            change(body)
            if json.dumps(body, sort_keys=True) == before:
                return False
            about = body["metadata"]
            about["resourceVersion"] = str(int(about["resourceVersion"]) + 1)
            about["generation"] += json.dumps(body["spec"], sort_keys=True) != spec_before
            self._write(body)
            return True

    def add_event(self, event: Body) -> None:
        """Append an Event, in one write."""
        with (self.path / EVENTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(event, ensure_ascii=False) + "\n")

    def events(self) -> list[Body]:
        """The Events in the order in which they came first; one that came again has its `count` and the time of the last one."""
        events: dict[str, Body] = {}
        for line in (read_text(self.path / EVENTS) or "").splitlines():
            try:
                event = json.loads(line)
            except ValueError:  # the machine died while it was written
                continue
            known = events.setdefault(event["key"], {**event, "count": 0})
            known |= {"count": known["count"] + 1, "time": event["time"]}
        return list(events.values())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only `lwm train` of the folder. Raises FolderInUseError."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK).open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                raise FolderInUseError(f"{self.path}: lwm train works on it already, as process {file.read().strip()}") from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    @property
    def in_use(self) -> bool:
        """Whether a `lwm train` works on the folder."""
        path = self.path / LOCK
        if not path.exists():
            return False
        with path.open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        with (self.path / f".{TRAINING}.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _write(self, body: Body) -> None:
        write_whole(self.path / TRAINING, json.dumps(body, indent=1, ensure_ascii=False))


def parse_stored(body: Body) -> Training:
    """The training as it is stored, with absolute paths."""
    return parse_training(body, extra="ignore", local_path=lambda text: text if text.startswith("/") else None)
