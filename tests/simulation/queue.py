"""What a queue does: it admits Jobs that wait, and takes them back. It writes nothing but whether a Job is suspended."""

from dataclasses import replace

from lwm_operator.api.status import AttemptState
from lwm_operator.plan.observed import JobView, PodState, Waiting
from simulation.environment import Nature

SAID = Waiting(reason="WaitingForQuota", message="insufficient unused quota: " + 700 * "z", since="")
GOING = (AttemptState.STARTING, AttemptState.RUNNING)


class Queue(Nature):
    def admit(self) -> None:
        """All suspended Jobs are unsuspended, be their attempts over or not; one that has pods still waits for their end."""
        for name, job in list(self.jobs.items()):
            gang = self.gangs[job.uid]
            if not job.suspended or job.failed or any(pod.live and self.members[pod.uid] is gang for pod in self.pods.values()):
                continue
            self.jobs[name] = replace(job, suspended=False, queued=None)
            self.taken.discard(job.uid)
            self.want_pods(job.uid)
        self.admit_preparations()

    def take_back(self) -> None:
        """The newest Job, if it is a queue's, is suspended: its pods are told to end as soon as the Job controller is awake."""
        job = self.newest()
        if job is None or job.suspended or job.failed or not job.queue:
            return
        if self._well(job):
            self.taken.add(job.uid)
        self.jobs[job.name] = replace(job, suspended=True, queued=SAID)
        if not self.lag:
            self.take_away()

    def explain(self) -> None:
        """The queue says why those that wait do so."""
        for name, job in self.jobs.items():
            if job.suspended and job.queued is None:
                self.jobs[name] = replace(job, queued=SAID)

    def _well(self, job: JobView) -> bool:
        """Whether nothing but the queue's decision ends the attempt."""
        entries = self.training.status.stages
        newest = entries[job.stage - 1].recent_attempts[:1] if len(entries) >= job.stage else ()
        pods = [pod for pod in self.pods.values() if self.members[pod.uid] is self.gangs[job.uid]]
        going = any(attempt.number == job.attempt and attempt.state in GOING for attempt in newest)
        return going and not self.lag and bool(pods) and not any(pod.deleting or pod.state == PodState.FAILED for pod in pods)
