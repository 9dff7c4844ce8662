"""The preparations of data sets in a simulated cluster: Jobs replace failed workers, and what workers wrote stays."""

from dataclasses import replace

from lwm_operator.api.names import preparation_name
from lwm_operator.api.spec import Spec
from lwm_operator.plan.actions import CreatePreparation, DeletePreparation
from lwm_operator.plan.observed import JobView, PodState, PodView, PreparationView, Waiting
from lwm_operator.plan.timestamps import stamp
from lwm_trainer.config import FATAL_EXIT_CODES, Preparation, Prepared, TerminationMessage
from simulation.invariants import SHARDS
from simulation.state import BAD_IMAGE, ClusterState, RefusedError

TRIES = 3
"""Pods that a worker may have before its Job fails."""


def store_uri(dataset: str) -> str:
    return f"gs://lwm/runs/datasets/{dataset}"


class Preparations:
    def __init__(self, state: ClusterState) -> None:
        self.state = state

    def create(self, action: CreatePreparation, spec: Spec, *, fresh: bool) -> None:
        """Create the Job. Raises RefusedError."""
        state = self.state
        dataset = spec.datasets[action.number - 1]
        name = preparation_name(state.training.metadata.name, action.number, action.run)
        if name in state.preparations:
            return
        if state.quota_exceeded:
            raise RefusedError(f'jobs.batch "{name}" is forbidden: exceeded quota: few')
        state.invariants.preparation_created(state, name, dataset.name, action, fresh=fresh)
        queue = spec.execution.queue_name
        state.preparation_images.append(spec.image)
        job = JobView(
            name=name,
            uid=f"uid-{name}-{len(state.preparation_images)}",
            stage=0,
            attempt=0,
            template=action.template,
            suspended=queue is not None,
            queue=queue or "",
            since=stamp(state.clock),
        )
        workers = dataset.preparation.workers if dataset.preparation is not None else 0
        state.preparations[name] = PreparationView(dataset=dataset.name, run=action.run, job=job, workers=workers)
        self._create_pods(name)

    def delete(self, action: DeletePreparation, *, fresh: bool) -> None:
        view = self.state.preparations.get(action.name)
        if view is not None and view.job.uid == action.uid:
            self.state.invariants.preparation_deleted(self.state, view, fresh=fresh)
            del self.state.preparations[action.name]

    def delete_all(self) -> None:
        """A user deletes the Jobs."""
        self.state.preparations.clear()

    def admit(self) -> None:
        """The queue unsuspends the Jobs."""
        for name, view in self.state.preparations.items():
            self.state.preparations[name] = replace(view, job=replace(view.job, suspended=False, queued=None))
            self._create_pods(name)

    # Workers.

    def work(self, shards: int, *, mute: bool = False) -> None:
        """All workers that can run write so many shards more. `mute`: nobody receives the address of the finished store."""
        for name in self._active():
            self._create_pods(name)
            self._start(name)
            view = self.state.preparations[name]
            running = [pod for pod in view.pods if pod.state == PodState.RUNNING]
            if len(running) < view.workers:
                continue
            if view.dataset in self.state.corrupt_datasets:
                message = f"{view.dataset}/a.jsonl, line 7: " + 900 * "w"
                self._fail(name, running[-1], TerminationMessage(code=65, reason="DataCorrupt", message=message))
                continue
            self.state.shards_written[view.dataset] = min(SHARDS, self.state.shards_written[view.dataset] + shards)
            if self.state.shards_written[view.dataset] == SHARDS:
                self.state.lost_datasets.discard(view.dataset)
            self._report(name, mute=mute)

    def fail_worker(self, index: int, code: int) -> None:
        for name in self._active():
            for pod in self.state.preparations[name].pods:
                if pod.index == index and pod.state == PodState.RUNNING:
                    self._fail(name, pod, TerminationMessage(code=code, reason="UncaughtException", message="w") if code < 128 else None)

    def hold_up_worker(self, index: int, reason: str) -> None:
        """The kubelet or the scheduler says why the worker's pod waits."""
        waiting = Waiting(reason=reason, message="not ready: " + 700 * "y", since=stamp(self.state.clock))
        for name, view in self.state.preparations.items():
            pods = tuple(
                replace(pod, waiting=waiting) if pod.index == index and pod.state == PodState.PENDING else pod for pod in view.pods
            )
            self.state.preparations[name] = replace(view, pods=pods)

    def release_workers(self) -> None:
        """Nothing keeps the workers from starting any longer."""
        for name, view in self.state.preparations.items():
            self.state.preparations[name] = replace(view, pods=tuple(replace(pod, waiting=None) for pod in view.pods))

    # The storage.

    def lose_data(self) -> None:
        """Somebody deletes the folders of all data sets that are prepared."""
        for name in [name for name, shards in self.state.shards_written.items() if shards >= SHARDS]:
            self.state.shards_written[name] = 0
            self.state.lost_datasets.add(name)
            self.state.coverage["storage lost a prepared data set"] += 1

    # Source data.

    def corrupt_data(self) -> None:
        """A line of every data set that is not written yet is broken."""
        for dataset in self.state.training.spec.datasets:
            if dataset.preparation is not None and self.state.shards_written[dataset.name] < SHARDS:
                self.state.corrupt_datasets.add(dataset.name)

    def repair_data(self) -> None:
        self.state.corrupt_datasets.clear()

    def _active(self) -> list[str]:
        """Names of the Jobs whose workers may run."""
        views = self.state.preparations.items()
        return [name for name, view in views if not (view.job.suspended or view.job.failed or view.complete)]

    def _create_pods(self, name: str) -> None:
        """The Job controller makes a worker for each index that has none, unless it lags."""
        view = self.state.preparations[name]
        if self.state.job_controller_lags or view.job.suspended or view.job.failed or view.complete:
            return
        existing = {pod.index for pod in view.pods if pod.state != PodState.FAILED}
        for index in (index for index in range(view.workers) if index not in existing):
            number = len(view.pods)
            pod = PodView(
                name=f"{name}-{index}-{number}", uid=f"{view.job.uid}-{number}", stage=0, attempt=0, index=index, state=PodState.PENDING
            )
            view = replace(view, pods=(*view.pods, pod))
        self.state.preparations[name] = view

    def _start(self, name: str) -> None:
        view = self.state.preparations[name]
        image = self.state.preparation_images[int(view.job.uid.rsplit("-", 1)[1]) - 1]
        waiting = Waiting(reason="ErrImagePull", message="not found", since=stamp(self.state.clock)) if image == BAD_IMAGE else None
        self.state.preparations[name] = replace(view, pods=tuple(self._started(pod, waiting) for pod in view.pods))

    @staticmethod
    def _started(pod: PodView, waiting: Waiting | None) -> PodView:
        if pod.state != PodState.PENDING or (pod.waiting is not None and pod.waiting.reason == "SchedulingGated"):
            return pod
        return replace(pod, node="node1", waiting=waiting, state=PodState.RUNNING if waiting is None else PodState.PENDING)

    def _report(self, name: str, *, mute: bool) -> None:
        view = self.state.preparations[name]
        done = self.state.shards_written[view.dataset]
        report = Preparation(
            shards=SHARDS, shards_done=done, documents=done, tokens=1000 * done, skipped=1, first_skipped="a.jsonl, line 3"
        )
        if done < SHARDS:
            self.state.preparations[name] = replace(view, report=report)
            return
        prepared = Prepared(uri=store_uri(view.dataset), documents=done, tokens=1000 * done, skipped=1)
        message = TerminationMessage(code=0, reason="Complete", prepared=None if mute else prepared)
        pods = tuple(
            replace(pod, state=PodState.SUCCEEDED, exit_code=0, termination_message=message) if pod.state == PodState.RUNNING else pod
            for pod in view.pods
        )
        job = replace(view.job, succeeded=view.workers)
        self.state.preparations[name] = replace(view, job=job, pods=pods, complete=True, report=None if mute else report)

    def _fail(self, name: str, pod: PodView, message: TerminationMessage | None) -> None:
        """A worker fails. A fatal exit code, or too many tries, ends the Job and all its workers."""
        view = self.state.preparations[name]
        code = message.code if message is not None else 137
        failed = replace(pod, state=PodState.FAILED, exit_code=code, reason="Error", termination_message=message)
        pods = tuple(failed if other is pod else other for other in view.pods)
        tries = sum(1 for other in pods if other.index == pod.index and other.state == PodState.FAILED)
        if code not in FATAL_EXIT_CODES and tries < TRIES:
            self.state.preparations[name] = replace(view, pods=pods)
            self._create_pods(name)
            return
        stopped = tuple(replace(other, state=PodState.FAILED, exit_code=143, deleting=True) if other.live else other for other in pods)
        job = replace(view.job, failed=True, failed_indexes=frozenset({pod.index}), message="Job has failed indexes")
        self.state.preparations[name] = replace(view, job=job, pods=stopped)
