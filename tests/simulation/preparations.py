"""Preparations of data sets in a pretend cluster: their Jobs make workers anew, and what workers wrote stays whatever becomes of them."""

from dataclasses import replace

from lwm_operator.api.names import preparation_name
from lwm_operator.api.spec import Spec
from lwm_operator.plan.actions import CreatePreparation, DeletePreparation
from lwm_operator.plan.observed import JobView, PodState, PodView, PreparationView, Waiting
from lwm_operator.plan.timestamps import stamp
from lwm_trainer.config import FATAL_EXIT_CODES, Preparation, Prepared, TerminationMessage
from simulation.invariants import SHARDS
from simulation.state import BAD_IMAGE, Cluster, RefusedError

TRIES = 3
"""Of each worker."""


def place_of(dataset: str) -> str:
    return f"gs://lwm/runs/datasets/{dataset}"


class Preparations(Cluster):
    def create_preparation(self, action: CreatePreparation, spec: Spec, *, fresh: bool) -> None:
        dataset = spec.datasets[action.number - 1]
        name = preparation_name(self.training.metadata.name, action.number, action.run)
        if name in self.preparations:
            return
        if self.quota:
            raise RefusedError(f'jobs.batch "{name}" is forbidden: exceeded quota: few')
        self.promises.prepares(self, name, dataset.name, action, fresh=fresh)
        queue = spec.execution.queue_name
        self.begun.append(spec.image)
        job = JobView(
            name=name,
            uid=f"uid-{name}-{len(self.begun)}",
            stage=0,
            attempt=0,
            template=action.template,
            suspended=queue is not None,
            queue=queue or "",
            since=stamp(self.clock),
        )
        workers = dataset.preparation.workers if dataset.preparation is not None else 0
        self.preparations[name] = PreparationView(dataset=dataset.name, run=action.run, job=job, workers=workers)
        self._fill(name)

    def delete_preparation(self, action: DeletePreparation, *, fresh: bool) -> None:
        there = self.preparations.get(action.name)
        if there is not None and there.job.uid == action.uid:
            self.promises.deletes_preparation(self, there, fresh=fresh)
            del self.preparations[action.name]

    def _fill(self, name: str) -> None:
        """The Job controller makes a worker for each index that has none, unless it is asleep."""
        view = self.preparations[name]
        if self.lag or view.job.suspended or view.job.failed or view.complete:
            return
        there = {pod.index for pod in view.pods if pod.state != PodState.FAILED}
        for index in (index for index in range(view.workers) if index not in there):
            number = len(view.pods)
            pod = PodView(
                name=f"{name}-{index}-{number}", uid=f"{view.job.uid}-{number}", stage=0, attempt=0, index=index, state=PodState.PENDING
            )
            view = replace(view, pods=(*view.pods, pod))
        self.preparations[name] = view

    def _image(self, view: PreparationView) -> str:
        return self.begun[int(view.job.uid.rsplit("-", 1)[1]) - 1]

    def _going(self) -> list[str]:
        """Names of Jobs whose workers may run."""
        views = self.preparations.items()
        return [name for name, view in views if not (view.job.suspended or view.job.failed or view.complete)]

    # Moves.

    def work(self, shards: int, *, mute: bool = False) -> None:
        """All workers that can run do, and write so many shards more. `mute`: nobody says where, once they are done."""
        for name in self._going():
            self._fill(name)
            self._start(name)
            view = self.preparations[name]
            running = [pod for pod in view.pods if pod.state == PodState.RUNNING]
            if len(running) < view.workers:
                continue
            if view.dataset in self.spoiled:
                self._fails(
                    name,
                    running[-1],
                    TerminationMessage(code=65, reason="DataCorrupt", message=f"{view.dataset}/a.jsonl, line 7: " + 900 * "w"),
                )
                continue
            self.written[view.dataset] = min(SHARDS, self.written[view.dataset] + shards)
            self._report(name, mute=mute)

    def _start(self, name: str) -> None:
        view = self.preparations[name]
        missing = Waiting(reason="ErrImagePull", message="not found", since=stamp(self.clock))
        bad = self._image(view) == BAD_IMAGE
        self.preparations[name] = replace(view, pods=tuple(self._started(pod, missing if bad else None) for pod in view.pods))

    @staticmethod
    def _started(pod: PodView, waiting: Waiting | None) -> PodView:
        if pod.state != PodState.PENDING or (pod.waiting is not None and pod.waiting.reason == "SchedulingGated"):
            return pod
        return replace(pod, node="node1", waiting=waiting, state=PodState.RUNNING if waiting is None else PodState.PENDING)

    def _report(self, name: str, *, mute: bool) -> None:
        view, done = self.preparations[name], self.written[self.preparations[name].dataset]
        report = Preparation(
            shards=SHARDS, shards_done=done, documents=done, tokens=1000 * done, skipped=1, first_skipped="a.jsonl, line 3"
        )
        if done < SHARDS:
            self.preparations[name] = replace(view, report=report)
            return
        found = Prepared(uri=place_of(view.dataset), documents=done, tokens=1000 * done, skipped=1)
        words = TerminationMessage(code=0, reason="Complete", prepared=None if mute else found)
        pods = tuple(
            replace(pod, state=PodState.SUCCEEDED, exit_code=0, words=words) if pod.state == PodState.RUNNING else pod for pod in view.pods
        )
        job = replace(view.job, succeeded=view.workers)
        self.preparations[name] = replace(view, job=job, pods=pods, complete=True, report=None if mute else report)

    def worker_fails(self, index: int, code: int) -> None:
        for name in self._going():
            for pod in self.preparations[name].pods:
                if pod.index == index and pod.state == PodState.RUNNING:
                    self._fails(name, pod, TerminationMessage(code=code, reason="Uncaught", message="w") if code < 128 else None)

    def _fails(self, name: str, pod: PodView, words: TerminationMessage | None) -> None:
        """Once, for a reason that nobody can help, ends the Job and all its workers; so does one that has been tried too often."""
        view = self.preparations[name]
        code = words.code if words is not None else 137
        ended = replace(pod, state=PodState.FAILED, exit_code=code, reason="Error", words=words)
        pods = tuple(ended if each is pod else each for each in view.pods)
        tries = sum(1 for each in pods if each.index == pod.index and each.state == PodState.FAILED)
        if code not in FATAL_EXIT_CODES and tries < TRIES:
            self.preparations[name] = replace(view, pods=pods)
            self._fill(name)
            return
        stopped = tuple(replace(each, state=PodState.FAILED, exit_code=143, deleting=True) if each.live else each for each in pods)
        job = replace(view.job, failed=True, failed_indexes=frozenset({pod.index}), message="Job has failed indexes")
        self.preparations[name] = replace(view, job=job, pods=stopped)

    def hold_up_worker(self, index: int, reason: str) -> None:
        said = Waiting(reason=reason, message="not ready: " + 700 * "y", since=stamp(self.clock))
        for name, view in self.preparations.items():
            pods = tuple(replace(pod, waiting=said) if pod.index == index and pod.state == PodState.PENDING else pod for pod in view.pods)
            self.preparations[name] = replace(view, pods=pods)

    def release_workers(self) -> None:
        for name, view in self.preparations.items():
            self.preparations[name] = replace(view, pods=tuple(replace(pod, waiting=None) for pod in view.pods))

    def spoil_data(self) -> None:
        """A line of every data set that is not written yet is broken."""
        sets = self.training.spec.datasets
        self.spoiled |= {each.name for each in sets if each.preparation is not None and self.written[each.name] < SHARDS}

    def mend_data(self) -> None:
        self.spoiled.clear()

    def drop_preparations(self) -> None:
        """A user deletes their Jobs."""
        self.preparations.clear()

    def admit_preparations(self) -> None:
        for name, view in self.preparations.items():
            self.preparations[name] = replace(view, job=replace(view.job, suspended=False, queued=None))
            self._fill(name)
