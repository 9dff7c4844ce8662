"""The port to this machine: an attempt is a folder with a run config and a process for each host."""

import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lwm_cli.local.files import write_whole
from lwm_cli.local.folder import TRAINING, Body, TrainingFolder
from lwm_cli.local.job import REPORT, RUN_CONFIG, LocalJob, jobs_in, report_in
from lwm_operator.api import names
from lwm_operator.api.status import Status
from lwm_operator.api.training import Metadata, Training
from lwm_operator.cluster import parse
from lwm_operator.cluster.action_specs import attempt_spec, preparation_spec
from lwm_operator.cluster.port import ClusterError, ConflictError, TrainingKey, no_check
from lwm_operator.manifests.common import AttemptSpec, Manifest
from lwm_operator.manifests.job import jobs
from lwm_operator.manifests.preparation import preparation_job, prepare_config
from lwm_operator.manifests.run_config import run_config
from lwm_operator.plan.actions import (
    Action,
    CleanUp,
    CreateAttempt,
    CreatePreparation,
    DeleteAttempt,
    DeletePod,
    DeletePreparation,
    Event,
    RestoreAttempt,
)
from lwm_operator.plan.observed import Observed, PreparationView
from lwm_operator.plan.timestamps import stamp
from lwm_trainer.config import Preparation, Progress

IMAGE = "this-machine"
"""In place of a trainer image: the processes run the Python and the packages of this command."""
ATTEMPTS, PREPARATIONS = "attempts", "preparations"


class LocalCluster:
    """Implements ClusterPort for the one training of a folder."""

    def __init__(
        self, folder: TrainingFolder, python: str = sys.executable, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """`python` is the interpreter of the processes."""
        self._folder = folder
        self._python = python
        self._now = now
        self.leaving = False
        """Set to have the processes save and exit, as with spec.suspend, but for this command only."""
        self.killed = False
        """Set once the processes were killed on request: nothing is started any more."""
        self._jobs = {parent: self._read_jobs(parent) for parent in (ATTEMPTS, PREPARATIONS)}
        self._process_changes = 0

    def now(self) -> datetime:
        return self._now()

    async def list_trainings(self) -> list[TrainingKey]:
        return [self.key]

    @property
    def key(self) -> TrainingKey:
        about = self._folder.training().metadata
        return TrainingKey(about.namespace, about.name)

    def training(self) -> Training:
        """The training as it is stored, suspended while this command leaves."""
        training = self._folder.training()
        return training.model_copy(update={"spec": training.spec.model_copy(update={"suspend": True})}) if self.leaving else training

    async def read_training(self, key: TrainingKey) -> Training | None:  # noqa: ARG002 - there is one
        with _as_cluster_errors():
            return self.training()

    async def observe(self, training: Training) -> Observed:  # noqa: ARG002 - the folder has no other's children
        with _as_cluster_errors():
            self.poll()
            attempts = self._jobs[ATTEMPTS]
            reports = {key: report for key, folder in self._attempt_folders() if (report := report_in(folder)) is not None}
            return Observed(
                jobs=tuple(job.view() for job in attempts),
                pods=tuple(pod for job in attempts for pod in job.pods()),
                preparations=tuple(_preparation(job) for job in self._jobs[PREPARATIONS]),
                leases=frozenset(key for key, _ in self._attempt_folders()),
                preparation_leases=frozenset(path.name for path in self._folders(PREPARATIONS)),
                reports={
                    key: progress for key, (text, _) in reports.items() if (progress := parse.parse_report(Progress, text)) is not None
                },
                renewed={key: time for key, (_, time) in reports.items()},
                trainer_image=IMAGE,
            )

    def poll(self) -> None:
        """Start and watch processes. Raises OSError."""
        if self.killed:
            return
        now = self.now()
        self._process_changes += sum(job.poll(now) for job in self.jobs)

    def changes(self) -> tuple[object, ...]:
        """What the next plan depends on besides the time: it is equal as long as nothing happens. Raises OSError."""
        self.poll()
        files = [self._folder.path / TRAINING, *self._folder.path.glob(f"*/*/{REPORT}")]
        return (self._process_changes, self.leaving, *(path.stat().st_mtime_ns for path in files))

    @property
    def jobs(self) -> list[LocalJob]:
        return [job for each in self._jobs.values() for job in each]

    @property
    def live(self) -> int:
        """Processes that run."""
        return sum(len(job.live) for job in self.jobs)

    def kill(self) -> None:
        """End every process at once."""
        for job in self.jobs:
            job.kill()

    async def write_status(self, training: Training, status: Status, last_check: Callable[[], None] = no_check) -> bool:
        if status == training.status:
            return False
        last_check()
        self._write(training.metadata, status.model_dump(mode="json", by_alias=True, exclude_none=True))
        return True

    async def patch_status(self, metadata: Metadata, status: Status) -> None:
        self._write(metadata, status.model_dump(mode="json", by_alias=True, exclude_unset=True))

    def _write(self, metadata: Metadata, status: Body) -> None:
        def change(body: Body) -> None:
            if body["metadata"]["resourceVersion"] != metadata.resource_version:
                raise ConflictError("the training has been written since it was read")
            body["status"] = status

        with _as_cluster_errors():
            self._folder.change(change)

    async def carry_out(self, training: Training, action: Action) -> None:
        with _as_cluster_errors():
            self._carry_out(training, action)

    def _carry_out(self, training: Training, action: Action) -> None:
        match action:
            case CreateAttempt():
                self._create_attempt(attempt_spec(training, action, IMAGE))
            case CreatePreparation():
                self._create_preparation(training, action)
            case DeletePod():
                self._delete_pod(training, action)
            case DeleteAttempt():
                self._delete(ATTEMPTS, names.job_name(training.metadata.name, action.stage, action.attempt))
            case DeletePreparation():
                self._delete(PREPARATIONS, action.name)
            case CleanUp():
                for attempt in action.attempts:
                    self._carry_out(training, attempt)
                for preparation in action.preparations:
                    self._carry_out(training, preparation)
            case RestoreAttempt():
                return  # nothing here is ever incomplete

    async def post_event(self, regarding: Metadata, event: Event) -> None:  # noqa: ARG002 - there is one training
        posted = {"time": stamp(self.now()), "type": event.type, "reason": event.reason, "message": event.message, "key": event.key}
        with _as_cluster_errors():
            self._folder.add_event(posted)

    def _create_attempt(self, attempt: AttemptSpec) -> None:
        run = run_config(attempt)
        # Hosts meet on this machine, and one that runs several trainings has no fixed port for the metrics of each.
        gang = run.gang.model_copy(update={"coordinator": f"127.0.0.1:{_free_port()}"})
        config = run.model_copy(update={"gang": gang, "lease": None, "metrics_port": 0})
        self._create(ATTEMPTS, attempt.name, config.model_dump_json(by_alias=True, indent=1), jobs(attempt))

    def _create_preparation(self, training: Training, action: CreatePreparation) -> None:
        preparation = preparation_spec(training, action, IMAGE)
        config = prepare_config(preparation).model_copy(update={"lease": None})
        manifests = (preparation_job(preparation),)
        self._create(PREPARATIONS, preparation.name, config.model_dump_json(by_alias=True, indent=1), manifests)

    def _create(self, parent: str, name: str, config: str, manifests: tuple[Manifest, ...]) -> None:
        folder = self._folder.path / parent / name
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.glob("*.job.json")):
            write_whole(folder / RUN_CONFIG, config)
        for manifest in manifests:
            LocalJob.write(folder, manifest, self.now())
        self._jobs[parent] = [job for job in self._jobs[parent] if job.folder != folder] + jobs_in(folder, self._python)
        self.poll()

    def _delete_pod(self, training: Training, action: DeletePod) -> None:
        grace = action.grace_seconds
        seconds = training.spec.execution.termination_grace_period_seconds if grace is None else grace
        for job in self.jobs:
            process = job.process_called(action.name)
            if process is not None and process.record is not None and process.record.uid == action.uid:
                process.delete(seconds, self.now())

    def _delete(self, parent: str, name: str) -> None:
        """Delete the folder with its logs, after its processes have ended."""
        folder = self._folder.path / parent / name
        for job in [job for job in self._jobs[parent] if job.folder == folder]:
            job.kill()
        self._jobs[parent] = [job for job in self._jobs[parent] if job.folder != folder]
        if folder.exists():
            shutil.rmtree(folder)

    def _read_jobs(self, parent: str) -> list[LocalJob]:
        return [job for folder in self._folders(parent) for job in jobs_in(folder, self._python)]

    def _folders(self, parent: str) -> list[Path]:
        return sorted((self._folder.path / parent).glob("*/"))

    def _attempt_folders(self) -> Iterator[tuple[tuple[int, int], Path]]:
        """Stage and attempt of each folder of an attempt, which its name ends with."""
        for folder in self._folders(ATTEMPTS):
            _, stage, attempt = folder.name.rsplit("-", 2)
            yield (int(stage[1:]), int(attempt[1:])), folder


def _preparation(job: LocalJob) -> PreparationView:
    text, _ = report_in(job.folder) or (None, None)
    return parse.parse_preparation(job.body, job.view(), tuple(job.pods()), parse.parse_report(Preparation, text))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def _as_cluster_errors() -> Iterator[None]:
    """Turn what the file system refuses into the port's error."""
    try:
        yield
    except (OSError, json.JSONDecodeError) as error:
        raise ClusterError(str(error)) from error
