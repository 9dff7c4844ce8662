"""What each request to a pretend API server does, and what its Job controller does about it."""

from dataclasses import replace
from datetime import timedelta

from lwm_operator.api.names import job_name
from lwm_operator.api.spec import Spec
from lwm_operator.plan.actions import Action, CleanUp, CreateAttempt, CreatePreparation, DeleteAttempt, DeletePod, DeletePreparation
from lwm_operator.plan.observed import JobView, PodState, PodView, Waiting
from lwm_operator.plan.timestamps import stamp
from lwm_trainer.config import slice_name
from simulation.fake_bucket import Gang
from simulation.preparations import Preparations
from simulation.state import RefusedError

NO_NODE = "0/3 nodes are available: 3 Insufficient cpu."


class Kubernetes(Preparations):
    def carry_out(self, action: Action, spec: Spec, *, fresh: bool = True) -> None:
        """`spec`: as the plan saw it. `fresh`: nothing has happened since the plan's look. Raises RefusedError."""
        match action:
            case CreateAttempt():
                self._create(action, spec, fresh=fresh)
            case CreatePreparation():
                self.create_preparation(action, spec, fresh=fresh)
            case DeletePreparation():
                self.delete_preparation(action, fresh=fresh)
            case DeletePod():
                if (there := self.pods.get(action.name)) is not None and there.uid == action.uid:
                    self.promises.deletes_pod(self, there, fresh=fresh)
                    self.delete(there, 120 if action.grace_seconds is None else action.grace_seconds)
            case DeleteAttempt():
                for found in self._named(action):
                    self.promises.deletes_attempt(self, found, fresh=fresh)
                    self.remove(found)
            case CleanUp():
                self.promises.cleans_up(self, fresh=fresh)
                for attempt in action.attempts:
                    for found in self._named(attempt):
                        self.remove(found)
                for preparation in action.preparations:
                    self.delete_preparation(preparation, fresh=False)

    def _named(self, action: DeleteAttempt) -> list[JobView]:
        """The Jobs with these uids that are still there."""
        return [job for name, uid in action.jobs if (job := self.jobs.get(name)) is not None and job.uid == uid]

    def delete(self, pod: PodView, grace: int, **changes: object) -> None:
        """A pod that has no node or has ended goes at once, another one is told to end."""
        if not pod.live or pod.node is None:
            self.pods[pod.name] = replace(pod, deleting=True, **changes)  # type: ignore[arg-type]
            self.vanish(pod.name)
            return
        grace = min(grace, pod.grace_seconds) if pod.deleting else grace
        gone_by = stamp(self.clock + timedelta(seconds=grace))
        gone_by = min(gone_by, pod.gone_by) if pod.gone_by is not None else gone_by
        self.pods[pod.name] = replace(pod, deleting=True, grace_seconds=grace, gone_by=gone_by, **changes)  # type: ignore[arg-type]

    def vanish(self, name: str) -> None:
        """The pod's object goes; its Job counts its index as failed, if it had not succeeded."""
        pod = self.pods.pop(name)
        job = next((job for job in self.jobs.values() if (job.stage, job.attempt, job.slice) == (pod.stage, pod.attempt, pod.slice)), None)
        if job is not None and pod.state != PodState.SUCCEEDED and pod.uid not in self.forsaken:
            self.uncounted.append((job.uid, pod.index))
            if not self.lag:
                self._count_gone()

    def catch_up(self) -> None:
        """The Job controller makes the pods that are wanted, takes those of suspended Jobs away and counts those that are gone."""
        self.take_away()
        for uid in self.unmade:
            self._make_pods(uid)
        self.unmade = []
        self._count_gone()

    def take_away(self) -> None:
        """The pods of suspended Jobs are told to end, with their grace."""
        gangs = [self.gangs[job.uid] for job in self.jobs.values() if job.suspended]
        for pod in [pod for pod in self.pods.values() if pod.live and not pod.deleting and self.members[pod.uid] in gangs]:
            self.forsaken.add(pod.uid)
            self.delete(pod, 120)

    def _count_gone(self) -> None:
        for name, job in self.jobs.items():
            if gone := {index for uid, index in self.uncounted if uid == job.uid}:
                self.jobs[name] = replace(job, failed_indexes=job.failed_indexes | gone)
        self.uncounted = []

    def remove(self, job: JobView) -> None:
        """The Job, its attempt's Lease and, by garbage collection, its pods: those that run are told to end."""
        del self.jobs[job.name]
        self.leases.discard((job.stage, job.attempt))
        self.reports.pop((job.stage, job.attempt), None)
        self.renewed.pop((job.stage, job.attempt), None)
        self.collect(job)

    def collect(self, job: JobView) -> None:
        for pod in [pod for pod in self.pods.values() if (pod.stage, pod.attempt, pod.slice) == (job.stage, job.attempt, job.slice)]:
            self.delete(pod, 30)

    def _create(self, action: CreateAttempt, spec: Spec, *, fresh: bool) -> None:
        """The Jobs of all slices, one by one: with a full quota the first may still find room."""
        attempt = job_name(self.training.metadata.name, action.stage, action.attempt)
        self.created.append(action)
        queue = spec.execution.queue_name
        crew = Gang(
            stage=action.stage,
            attempt=action.attempt,
            hosts=self.hosts,
            total=spec.stages[action.stage - 1].total_steps,
            start=action.start,
            image=spec.image,
            avoided=action.avoided_nodes,
            every=spec.checkpoint.every_steps,
            keep=spec.checkpoint.keep,
        )
        there = [self.gangs[job.uid] for job in self.jobs.values() if (job.stage, job.attempt) == (action.stage, action.attempt)]
        for index in range(self.slices):
            name = slice_name(attempt, index, self.slices)
            if name in self.jobs:
                continue
            if self.quota and (self.slices == 1 or index > 0):
                raise RefusedError(f'jobs.batch "{name}" is forbidden: exceeded quota: few')
            self.promises.creates(self, name, index, action, fresh=fresh)
            uid = f"uid-{name}-{len(self.created)}"
            self.jobs[name] = JobView(
                name=name,
                uid=uid,
                stage=action.stage,
                attempt=action.attempt,
                slice=index,
                template=action.template,
                suspended=queue is not None,
                queue=queue or "",
            )
            self.leases.add((action.stage, action.attempt))
            self.gangs[uid] = there[0] if there else crew
            self.want_pods(uid)

    def want_pods(self, uid: str) -> None:
        """Of the Job: its controller makes them when it wakes up."""
        if self.lag:
            self.unmade.append(uid)
        else:
            self._make_pods(uid)

    def _make_pods(self, uid: str) -> None:
        """Of those hosts that have had none, or only such as were taken from a suspended Job: a failed index gets no other pod."""
        job = next((job for job in self.jobs.values() if job.uid == uid), None)
        if job is None or job.suspended:
            return
        each = self.hosts // self.slices
        wanted = range(job.slice * each, (job.slice + 1) * each)
        gang = self.gangs[uid]
        counted = [pod for pod in self.pods.values() if self.members[pod.uid] is gang and pod.uid not in self.forsaken]
        had = job.failed_indexes | {pod.index for pod in counted}
        if self.slices == 1 and not counted and any(each is gang for each in self.members.values()):
            self.gangs[uid] = gang.another()
        for index in [index for index in wanted if index not in had]:
            own = f"{job.name}-{index}-{len(self.members)}"
            name = f"{job.name}-{index}"
            while name in self.pods:  # a zombie's name: the Job controller adds random letters
                name += "x"
            self.members[own] = self.gangs[job.uid]
            self.pods[name] = PodView(
                name=name,
                uid=own,
                stage=job.stage,
                attempt=job.attempt,
                slice=job.slice,
                index=index,
                state=PodState.PENDING,
                waiting=Waiting(reason="Unschedulable", message=NO_NODE, since=stamp(self.clock)),
            )
