"""A pretend cluster for the plan: it carries plans out and lets things happen to pods. Time is its own."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from lwm_operator.api.names import job_name
from lwm_operator.api.status import Status
from lwm_operator.api.training import Training
from lwm_operator.plan.moments import stamp
from lwm_operator.plan.observed import JobView, Observed, PodState, PodView, Waiting
from lwm_operator.plan.plan import plan
from lwm_operator.plan.reasons import find
from lwm_operator.plan.result import CleanUp, CreateAttempt, DeleteAttempt, DeletePod, Plan
from lwm_trainer.config import Final, Phase, Progress
from world.builders import NOW

Number = tuple[int, int]


@dataclass
class World:
    training: Training
    now: datetime = NOW
    jobs: dict[str, JobView] = field(default_factory=dict)
    pods: dict[str, PodView] = field(default_factory=dict)
    reports: dict[Number, Progress] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    created: list[CreateAttempt] = field(default_factory=list)
    committed: dict[int, int] = field(default_factory=dict)
    """Of each stage: what the bucket holds."""
    reached: Counter[str] = field(default_factory=Counter)
    """How often each phase, Event and action came about."""

    @property
    def hosts(self) -> int:
        cpu = self.training.spec.accelerator.cpu
        assert cpu is not None
        return cpu.hosts

    def observed(self) -> Observed:
        return Observed(
            jobs=tuple(self.jobs.values()), pods=tuple(self.pods.values()), reports=dict(self.reports), lost_nodes=frozenset(self.lost)
        )

    def plan(self) -> Plan:
        return plan(self.training, self.observed(), self.now)

    def reconcile(self, *, crash_before_actions: bool = False) -> Plan:
        """Plan, write the status, act: or die in between."""
        decided = self.plan()
        assert find(decided.status.reason), f"{decided.status.reason} is not in operator/lwm_operator/plan/reasons"
        self.reached[f"phase {decided.status.phase}"] += 1
        self.reached.update(f"event {event.reason}" for event in decided.events)
        self.reached.update(f"action {type(action).__name__}" for action in decided.actions)
        self.write(decided.status)
        if not crash_before_actions:
            self.act(decided)
        return decided

    def write(self, status: Status) -> None:
        self.training = self.training.model_copy(update={"status": status})

    def act(self, decided: Plan) -> None:
        for action in decided.actions:
            match action:
                case CreateAttempt():
                    self._create(action)
                case DeletePod():
                    if (there := self.pods.get(action.name)) is not None and there.uid == action.uid:
                        grace = 30 if action.grace_seconds is None else action.grace_seconds
                        self.pods[action.name] = replace(there, deleting=True, grace_seconds=grace)
                case DeleteAttempt():
                    self._remove(action.job)
                case CleanUp():
                    for job, _ in action.jobs:
                        self._remove(job)

    def _remove(self, job: str) -> None:
        gone = self.jobs.pop(job)
        self.pods = {name: pod for name, pod in self.pods.items() if (pod.stage, pod.attempt) != (gone.stage, gone.attempt)}
        self.reports.pop((gone.stage, gone.attempt), None)

    def _create(self, action: CreateAttempt) -> None:
        name = job_name(self.training.metadata.name, action.stage, action.attempt)
        if name in self.jobs:
            return
        blocking = [pod.name for pod in self.pods.values() if pod.live and pod.node not in self.lost]
        assert not blocking, f"{name} was created while {blocking} were live"
        self.created.append(action)
        self.jobs[name] = JobView(
            name=name, uid=f"uid-{name}-{len(self.created)}", stage=action.stage, attempt=action.attempt, template=action.template
        )
        for index in range(self.hosts):
            waiting = Waiting(reason="Unschedulable", message="0/2 nodes are available", since="2026-01-01T12:00:00Z")
            pod = PodView(
                name=f"{name}-{index}",
                uid=f"{name}-{index}-{len(self.created)}",
                stage=action.stage,
                attempt=action.attempt,
                index=index,
                state=PodState.PENDING,
                node=f"node{index + 1}",
                waiting=waiting,
            )
            self.pods[pod.name] = pod

    # What happens by itself. Each does nothing where it cannot happen.

    def newest(self) -> JobView | None:
        return max(self.jobs.values(), key=lambda job: (job.stage, job.attempt), default=None)

    def gang(self) -> list[PodView]:
        job = self.newest()
        return [] if job is None else [pod for pod in self.pods.values() if (pod.stage, pod.attempt) == (job.stage, job.attempt)]

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def start(self) -> None:
        """The pods run."""
        for pod in self.gang():
            if pod.state == PodState.PENDING and pod.node not in self.lost:
                self.pods[pod.name] = replace(pod, state=PodState.RUNNING, waiting=None)

    def train(self, steps: int, *, commit: bool) -> None:
        """The gang goes on, if it is whole."""
        job, gang = self.newest(), self.gang()
        if (
            job is None
            or len(gang) < self.hosts
            or any(pod.state != PodState.RUNNING or pod.deleting or pod.node in self.lost for pod in gang)
        ):
            return
        number, total = (job.stage, job.attempt), self.training.spec.stages[job.stage - 1].total_steps
        start = self.committed.get(job.stage, 0)
        before = self.reports.get(number) or Progress(
            attempt=job.attempt, phase=Phase.TRAINING, phase_deadline_seconds=300, steps=total, step=start, resumed_from=start
        )
        step = min(before.step + steps, total)
        if commit or step == total:
            self.committed[job.stage] = step
        self.reports[number] = before.model_copy(
            update={"step": step, "loss": 5.0 - step / 100, "committed_step": self.committed.get(job.stage, 0)}
        )

    def finish(self) -> None:
        """All hosts leave with 0, if the last step is committed."""
        job = self.newest()
        report = self.reports.get((job.stage, job.attempt)) if job is not None else None
        gang = self.gang()
        if job is None or report is None or report.step < report.steps or any(pod.state != PodState.RUNNING for pod in gang):
            return
        final = Final(checkpoint=f"gs://s{job.stage}/a{job.attempt}/{report.step}", step=report.step, state_hash="s", record_hash="r")
        self.reports[(job.stage, job.attempt)] = report.model_copy(update={"phase": Phase.COMPLETE, "final": final})
        for pod in gang:
            self.pods[pod.name] = replace(pod, state=PodState.SUCCEEDED, exit_code=0, deleting=False)

    def fail(self, index: int, code: int, reason: str = "Error") -> None:
        """One host fails; its peers live on for the moment."""
        for pod in self.gang():
            if pod.index == index and pod.live and pod.node not in self.lost:
                self.pods[pod.name] = replace(pod, state=PodState.FAILED, exit_code=code, reason=reason)

    def leave(self) -> None:
        """What is being deleted is gone, but for zombies."""
        for pod in list(self.pods.values()):
            if pod.deleting and pod.node not in self.lost:
                self.pods[pod.name] = replace(pod, state=PodState.FAILED, exit_code=143) if pod.live else pod

    def delete_pod(self, index: int) -> None:
        for pod in self.gang():
            if pod.index == index and pod.live:
                self.pods[pod.name] = replace(pod, deleting=True, grace_seconds=30)

    def delete_job(self) -> None:
        """By a user: garbage collection deletes the pods."""
        if (job := self.newest()) is not None:
            gang = self.gang()
            del self.jobs[job.name]
            for pod in gang:
                if pod.node in self.lost:
                    self.pods[pod.name] = replace(pod, deleting=True)
                else:
                    del self.pods[pod.name]

    def lose_node(self, index: int) -> None:
        node = f"node{index + 1}"
        self.lost.add(node)
        for pod in list(self.pods.values()):
            if pod.node == node and pod.live:
                self.pods[pod.name] = replace(pod, deleting=True)

    def node_back(self) -> None:
        """The kubelet takes away what was deleted meanwhile."""
        for pod in list(self.pods.values()):
            if pod.node in self.lost and pod.deleting:
                del self.pods[pod.name]
        self.lost.clear()

    def forget_status(self) -> None:
        self.training = self.training.model_copy(update={"status": Status()})

    def edit(self, **changes: object) -> None:
        """Of the spec."""
        metadata = self.training.metadata.model_copy(update={"generation": self.training.metadata.generation + 1})
        self.training = self.training.model_copy(update={"metadata": metadata, "spec": self.training.spec.model_copy(update=changes)})

    def unschedulable(self) -> None:
        """The scheduler finds no node for any of the pods that do not run yet."""
        since = stamp(self.now)
        for pod in self.gang():
            if pod.state == PodState.PENDING:
                waiting = Waiting(reason="Unschedulable", message="0/2 nodes are available", since=since)
                self.pods[pod.name] = replace(pod, node=None, waiting=waiting)
