"""The queue of a simulated cluster: it admits Jobs that wait, and evicts them. It writes nothing but whether a Job is suspended."""

from dataclasses import replace

from lwm_operator.api.attempt_status import AttemptState
from lwm_operator.plan.observed import JobView, PodState, Waiting
from simulation.job_controller import JobController
from simulation.preparations import Preparations
from simulation.state import ClusterState

NO_QUOTA = Waiting(reason="WaitingForQuota", message="insufficient unused quota: " + 700 * "z", since="")
ACTIVE = (AttemptState.STARTING, AttemptState.RUNNING)


class Queue:
    def __init__(self, state: ClusterState, job_controller: JobController, preparations: Preparations) -> None:
        self.state = state
        self.job_controller = job_controller
        self.preparations = preparations

    def admit(self) -> None:
        """Unsuspend all suspended Jobs, even those of attempts that are over; one with live pods waits until they have ended."""
        state = self.state
        for name, job in list(state.jobs.items()):
            gang = state.gang_by_job[job.uid]
            if not job.suspended or job.failed or any(pod.live and state.gang_by_pod[pod.uid] is gang for pod in state.pods.values()):
                continue
            state.jobs[name] = replace(job, suspended=False, queued=None)
            state.evicted_jobs.discard(job.uid)
            self.job_controller.create_pods(job.uid)
        self.preparations.admit()

    def preempt(self) -> None:
        """Suspend the newest Job, if it belongs to a queue: the Job controller deletes its pods as soon as it is awake."""
        job = self.state.newest_job
        if job is None or job.suspended or job.failed or not job.queue:
            return
        if self._healthy(job):
            self.state.evicted_jobs.add(job.uid)
        self.state.jobs[job.name] = replace(job, suspended=True, queued=NO_QUOTA)
        if not self.state.job_controller_lags:
            self.job_controller.delete_pods_of_suspended_jobs()

    def explain(self) -> None:
        """The queue writes down why the suspended Jobs wait."""
        for name, job in self.state.jobs.items():
            if job.suspended and job.queued is None:
                self.state.jobs[name] = replace(job, queued=NO_QUOTA)

    def _healthy(self, job: JobView) -> bool:
        """Whether nothing but the queue's decision ends the attempt."""
        state = self.state
        entries = state.training.status.stages
        newest = entries[job.stage - 1].recent_attempts[:1] if len(entries) >= job.stage else ()
        pods = [pod for pod in state.pods.values() if state.gang_by_pod[pod.uid] is state.gang_by_job[job.uid]]
        active = any(attempt.number == job.attempt and attempt.state in ACTIVE for attempt in newest)
        intact = bool(pods) and not any(pod.deleting or pod.state == PodState.FAILED for pod in pods)
        return active and not state.job_controller_lags and intact
