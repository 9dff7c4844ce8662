"""The API server of a simulated cluster: what becomes of each action of a plan."""

from dataclasses import replace

from lwm_operator.api.names import job_name
from lwm_operator.api.spec import Spec
from lwm_operator.plan.actions import (
    Action,
    CleanUp,
    CreateAttempt,
    CreatePreparation,
    DeleteAttempt,
    DeletePod,
    DeletePreparation,
    RestoreAttempt,
)
from lwm_operator.plan.observed import JobView
from lwm_trainer.config import slice_name
from simulation.fake_bucket import Gang
from simulation.job_controller import JobController
from simulation.preparations import Preparations
from simulation.state import ClusterState, RefusedError


class ApiServer:
    def __init__(self, state: ClusterState, job_controller: JobController, preparations: Preparations) -> None:
        self.state = state
        self.job_controller = job_controller
        self.preparations = preparations

    def carry_out(self, action: Action, spec: Spec, *, fresh: bool = True) -> None:
        """Carry out an action of a plan that was made from this spec.

        `fresh` says that nothing has happened since the plan observed the children. Raises RefusedError.
        """
        match action:
            case CreateAttempt():
                self._create_attempt(action, spec, fresh=fresh)
            case RestoreAttempt():
                self._restore_attempt(action.creation)
            case CreatePreparation():
                self.preparations.create(action, spec, fresh=fresh)
            case DeletePreparation():
                self.preparations.delete(action, fresh=fresh)
            case DeletePod():
                pod = self.state.pods.get(action.name)
                if pod is not None and pod.uid == action.uid:
                    self.state.invariants.pod_deleted(self.state, pod, fresh=fresh)
                    self.job_controller.delete_pod(pod, 120 if action.grace_seconds is None else action.grace_seconds)
            case DeleteAttempt():
                for job in self._existing_jobs(action):
                    self.state.invariants.attempt_deleted(self.state, job, fresh=fresh)
                    self.job_controller.delete_job(job)
                self.job_controller.delete_lease((action.stage, action.attempt))
            case CleanUp():
                self.state.invariants.children_cleaned_up(self.state, fresh=fresh)
                for attempt in action.attempts:
                    for job in self._existing_jobs(attempt):
                        self.job_controller.delete_job(job)
                    self.job_controller.delete_lease((attempt.stage, attempt.attempt))
                for preparation in action.preparations:
                    self.preparations.delete(preparation, fresh=False)

    def _restore_attempt(self, creation: CreateAttempt) -> None:
        """What was deleted is there again, if a Job of the attempt is."""
        number = creation.stage, creation.attempt
        if any((job.stage, job.attempt) == number for job in self.state.jobs.values()):
            self.state.leases.add(number)
            self.state.incomplete.discard(job_name(self.state.training.metadata.name, *number))

    def _existing_jobs(self, action: DeleteAttempt) -> list[JobView]:
        """The Jobs with the action's names and uids, as far as they still exist."""
        return [job for name, uid in action.jobs if (job := self.state.jobs.get(name)) is not None and job.uid == uid]

    def _create_attempt(self, action: CreateAttempt, spec: Spec, *, fresh: bool) -> None:
        """Create the Jobs of all slices, one by one: with a quota exceeded, the first may still be created."""
        state = self.state
        state.created.append(action)
        number = action.stage, action.attempt
        new_gang = Gang(
            stage=action.stage,
            attempt=action.attempt,
            hosts=state.hosts,
            total=spec.stages[action.stage - 1].total_steps,
            start=action.start,
            image=action.image,
            avoided=action.avoided_nodes,
            prepared=action.prepared,
            every=spec.checkpoint.save_interval_steps,
            keep=spec.checkpoint.max_to_keep,
        )
        gang = next((state.gang_by_job[job.uid] for job in state.jobs.values() if (job.stage, job.attempt) == number), new_gang)
        attempt = job_name(state.training.metadata.name, action.stage, action.attempt)
        queue = spec.execution.queue_name
        created = []
        for index in range(state.slices):
            name = slice_name(attempt, index, state.slices)
            if name in state.jobs:
                continue
            if name in state.foreign_jobs:
                state.coverage["situation NameTaken"] += 1
                raise RefusedError(f"Job {name} exists but belongs to another owner: delete it, or give the training another name")
            if state.quota_exceeded and (state.slices == 1 or index > 0):
                state.coverage["situation SliceRefused"] += index > 0
                raise RefusedError(f'jobs.batch "{name}" is forbidden: exceeded quota: few')
            state.invariants.job_created(state, name, index, action, fresh=fresh)
            uid = f"uid-{name}-{len(state.created)}"
            state.jobs[name] = JobView(
                name=name,
                uid=uid,
                stage=action.stage,
                attempt=action.attempt,
                slice=index,
                image=action.image,
                template=action.template,
                slices=state.slices,
                hosts=state.hosts // state.slices,
                suspended=queue is not None,
                held=state.slices > 1,
                queue=queue or "",
            )
            state.leases.add(number)
            state.gang_by_job[uid] = gang
            created.append(uid)
        self._release(number, created)

    def _release(self, number: tuple[int, int], created: list[str]) -> None:
        """The Jobs of all slices exist: let them run, one by one. The API server may stop answering in between."""
        state = self.state
        for name, job in state.jobs.items():
            if (job.stage, job.attempt) != number or not (job.held or job.uid in created):
                continue
            if job.held and state.releases_left == 0:
                state.coverage["situation ReleaseInterrupted"] += 1
                raise RefusedError("etcdserver: request timed out")
            if job.held and state.releases_left is not None:
                state.releases_left -= 1
            state.invariants.job_released(state, job)
            state.jobs[name] = replace(job, held=False)
            self.job_controller.create_pods(job.uid)
