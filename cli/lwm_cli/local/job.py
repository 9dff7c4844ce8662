"""A Job without Kubernetes: its manifest, in a file, and a process for each index, which are started as a Job controller would."""

import json
import os
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from lwm_cli.local.files import read_text, write_whole
from lwm_cli.local.process import Launch, LocalProcess, ProcessRecord
from lwm_operator.api import names
from lwm_operator.cluster import parse
from lwm_operator.plan.observed import JobView, PodState, PodView
from lwm_operator.plan.reasons import KubernetesReason
from lwm_operator.plan.timestamps import seconds_since, stamp
from lwm_trainer.config import PROCESS_INDEX_VARIABLE, REPORT_VARIABLE

Manifest = dict[str, Any]

RUN_CONFIG, REPORT = "run.json", "report.json"
OF_THE_IMAGE = ("HOME", "USER")
"""Variables that the operator sets for a container's user: a process keeps those of its own."""
FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 10.0, 360.0
"""Back-off of the Job controller between two tries of an index."""
UNWATCHED = "it ended while no lwm train was running: that was stopped, or the machine"


class LocalJob:
    """One Job in the folder that it shares with its config and the report of process 0."""

    def __init__(self, folder: Path, name: str, python: str = sys.executable) -> None:
        """`python` is the interpreter of the processes."""
        self.folder = folder
        self._python = python
        self._path = folder / f"{name}.job.json"
        self._body: Manifest = json.loads(self._path.read_text(encoding="utf-8"))
        self._processes = {index: LocalProcess(folder, f"{name}-{index}") for index in range(self.hosts)}

    @staticmethod
    def write(folder: Path, manifest: Manifest, now: datetime) -> None:
        """Write the Job down, unless it exists. Nothing holds or queues it: the machine is there."""
        name = manifest["metadata"]["name"]
        path = folder / f"{name}.job.json"
        if not path.exists():
            about = manifest["metadata"] | {"uid": str(uuid.uuid4()), "creationTimestamp": stamp(now)}
            kept = {"labels": names.LABEL_QUEUE, "annotations": names.ANNOTATION_HELD}
            about |= {field: {key: text for key, text in about.get(field, {}).items() if key != own} for field, own in kept.items()}
            body = manifest | {"metadata": about, "spec": manifest["spec"] | {"suspend": False}}
            write_whole(path, json.dumps(body, indent=1))

    @property
    def name(self) -> str:
        return str(self._body["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self._body["metadata"]["uid"])

    @property
    def body(self) -> Manifest:
        """The Job as the API server would return it, with what has become of its indexes."""
        states = {index: process_state(process.record) for index, process in self._processes.items()}
        succeeded = sum(state == PodState.SUCCEEDED for state in states.values())
        failed = ",".join(str(index) for index, state in states.items() if state == PodState.FAILED and not self._is_retried(index))
        fatal = [process for index, process in self._processes.items() if self.retries and str(index) in failed.split(",")]
        conditions = [{"type": "Failed", "status": "True", "message": f"{each.name} failed"} for each in fatal[:1]]
        return self._body | {"status": {"succeeded": succeeded, "failedIndexes": failed, "conditions": conditions}}

    @property
    def hosts(self) -> int:
        return int(self._body["spec"]["completions"])

    @property
    def retries(self) -> int:
        return int(self._body["spec"]["backoffLimitPerIndex"])

    @property
    def live(self) -> list[LocalProcess]:
        return [process for process in self._processes.values() if process.live]

    def view(self) -> JobView:
        return parse.parse_job(self.body)

    def pods(self) -> Iterator[PodView]:
        """A view for each process that was ever started."""
        for index, process in self._processes.items():
            if process.record is not None:
                yield self._pod(index, process, process.record)

    def process_called(self, name: str) -> LocalProcess | None:
        return next((process for process in self._processes.values() if process.name == name), None)

    def poll(self, now: datetime) -> bool:
        """Start what is missing or due for a retry, note what has ended; return whether anything changed. Raises OSError."""
        changed = sum(process.poll(now) for process in self._processes.values()) > 0
        is_failed = bool(self.body["status"]["conditions"])
        for index, process in self._processes.items():
            if is_failed and process.live and process.record is not None and process.record.deletion_deadline is None:
                process.delete(1, now)  # without the worker that is given up, the others would wait for its shards for ever
                changed = True
            elif not is_failed and (process.record is None or self._is_due(index, process.record, now)):
                process.start(self._launch(index), str(uuid.uuid4()))
                changed = True
        return changed

    def kill(self) -> None:
        for process in self._processes.values():
            process.kill()

    def _is_retried(self, index: int) -> bool:
        """Whether the index, which has failed, gets another try."""
        record = self._processes[index].record
        if record is None or self.retries == 0 or record.deletion_deadline is not None:
            return False
        return record.tries <= self.retries and record.exit_code not in _fatal_codes(self._body)

    def _is_due(self, index: int, record: ProcessRecord, now: datetime) -> bool:
        if process_state(record) != PodState.FAILED or not self._is_retried(index):
            return False
        delay = min(FIRST_RETRY_SECONDS * 2 ** (record.tries - 1), MAX_RETRY_SECONDS)
        return record.unwatched or seconds_since(record.ended_at, now) >= delay

    def _launch(self, index: int) -> Launch:
        """The container's command and variables, which an image would complete."""
        container = self._body["spec"]["template"]["spec"]["containers"][0]
        files = {
            "LWM_CONFIG": self.folder / RUN_CONFIG,
            "LWM_TERMINATION_PATH": self._processes[index].termination_path,
            REPORT_VARIABLE: self.folder / REPORT,
        }
        own = {name: str(path) for name, path in files.items()} | {PROCESS_INDEX_VARIABLE: str(index)}
        command = [self._python if word == "python" else word for word in container["command"]]
        return Launch(command=command, environment={**_environment(container["env"]), **own})

    def _pod(self, index: int, process: LocalProcess, record: ProcessRecord) -> PodView:
        stage, attempt = parse.attempt_key(self._body)
        code, lost = record.exit_code, record.ended and record.exit_code is None
        return PodView(
            name=process.name,
            uid=record.uid,
            stage=stage,
            attempt=attempt,
            slice=parse.slice_index(self._body),
            index=parse.first_host(self._body) + index,
            state=process_state(record),
            deleting=record.deletion_deadline is not None,
            grace_seconds=record.grace_seconds,
            deletion_deadline=record.deletion_deadline,
            exit_code=code,
            reason=KubernetesReason.TERMINATED if lost else "Error" if code else "Completed" if record.ended else "",
            message=UNWATCHED if lost else "",
            termination_message=process.termination_message if record.ended else None,
        )


def process_state(record: ProcessRecord | None) -> PodState:
    if record is None:
        return PodState.PENDING
    if not record.ended:
        return PodState.RUNNING
    return PodState.SUCCEEDED if record.exit_code == 0 else PodState.FAILED


def jobs_in(folder: Path, python: str = sys.executable) -> list[LocalJob]:
    """The Jobs whose manifests are in the folder."""
    suffix = ".job.json"
    return [LocalJob(folder, path.name.removesuffix(suffix), python) for path in sorted(folder.glob(f"*{suffix}"))]


def report_in(folder: Path) -> tuple[str, str] | None:
    """The report of process 0 as it wrote it, and when; None before the first."""
    path = folder / REPORT
    text = read_text(path)
    return None if text is None else (text, stamp(datetime.fromtimestamp(path.stat().st_mtime).astimezone()))


def _fatal_codes(body: Manifest) -> set[int]:
    rules = body["spec"].get("podFailurePolicy", {}).get("rules", [])
    return {code for rule in rules if rule["action"] == "FailJob" for code in rule["onExitCodes"]["values"]}


def _environment(variables: list[Manifest]) -> dict[str, str]:
    """Values by name, with `$(NAME)` replaced by an earlier one as the kubelet does. What would come from a Secret comes from the shell."""
    values: dict[str, str] = {}
    for variable in variables:
        name = variable["name"]
        if name in OF_THE_IMAGE:
            continue
        if "value" in variable:
            values[name] = re.sub(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)", _replaced_by(values), variable["value"])
        elif name in os.environ:
            values[name] = os.environ[name]
    return values


def _replaced_by(values: Mapping[str, str]) -> Any:
    return lambda match: values.get(match[1], match[0])
