"""The Job controller of a simulated cluster, with graceful deletion and garbage collection of pods."""

from dataclasses import replace
from datetime import timedelta

from lwm_operator.plan.observed import JobView, PodState, PodView, Waiting
from lwm_operator.plan.timestamps import stamp
from simulation.state import NO_NODE, ClusterState


class JobController:
    def __init__(self, state: ClusterState) -> None:
        self.state = state

    def create_pods(self, uid: str) -> None:
        """Make the pods of a Job, or remember to do so where the controller lags."""
        if self.state.job_controller_lags:
            self.state.jobs_without_pods.append(uid)
        else:
            self._create_missing_pods(uid)

    def catch_up(self) -> None:
        """Make the pods that are wanted, delete those of suspended Jobs and count those that are gone."""
        self.delete_pods_of_suspended_jobs()
        for uid in self.state.jobs_without_pods:
            self._create_missing_pods(uid)
        self.state.jobs_without_pods = []
        self._count_removed_pods()

    def sync(self) -> None:
        """Write down in the Jobs what became of their pods, unless the controller lags."""
        state = self.state
        if state.job_controller_lags:
            return
        self.catch_up()
        for name, job in list(state.jobs.items()):
            pods = [pod for pod in state.pods_of(job) if pod.uid not in state.replaced_pods]
            ended = [pod for pod in pods if not pod.holds_node]
            succeeded = {pod.index for pod in ended if self._has_succeeded(pod)}
            failed = job.failed_indexes | {pod.index for pod in ended if not self._has_succeeded(pod)}
            done = len(ended) == len(pods) and (not job.suspended or len(failed | succeeded) >= state.hosts // state.slices)
            state.jobs[name] = replace(
                job,
                succeeded=max(job.succeeded, len(succeeded)),
                failed_indexes=failed - succeeded,
                failed=bool(failed - succeeded) and done,
                message="Job has failed indexes" if failed and done else "",
            )

    def delete_pods_of_suspended_jobs(self) -> None:
        """The pods of suspended Jobs get a SIGTERM and their grace period."""
        state = self.state
        gangs = [state.gang_by_job[job.uid] for job in state.jobs.values() if job.suspended]
        active = [pod for pod in state.pods.values() if pod.holds_node and not pod.deleting]
        for pod in [pod for pod in active if state.gang_by_pod[pod.uid] in gangs]:
            state.replaced_pods.add(pod.uid)
            self.delete_pod(pod, 120)

    def delete_pod(self, pod: PodView, grace: int, reason: str | None = None) -> None:
        """Delete a pod: one that has no node or has ended is removed at once, any other gets its grace period (seconds)."""
        state = self.state
        reason = pod.reason if reason is None else reason
        if not pod.holds_node or pod.node is None:
            state.pods[pod.name] = replace(pod, deleting=True, reason=reason)
            self.remove_pod(pod.name)
            return
        grace = min(grace, pod.grace_seconds) if pod.deleting else grace
        deletion_deadline = stamp(state.clock + timedelta(seconds=grace))
        deletion_deadline = min(deletion_deadline, pod.deletion_deadline) if pod.deletion_deadline is not None else deletion_deadline
        state.pods[pod.name] = replace(pod, deleting=True, grace_seconds=grace, deletion_deadline=deletion_deadline, reason=reason)

    def remove_pod(self, name: str) -> None:
        """Remove the pod's object; its Job counts the index as failed, unless the pod had succeeded."""
        state = self.state
        pod = state.pods.pop(name)
        job = next((job for job in state.jobs.values() if (job.stage, job.attempt, job.slice) == (pod.stage, pod.attempt, pod.slice)), None)
        if job is not None and not self._has_succeeded(pod) and pod.uid not in state.replaced_pods:
            state.uncounted_pods.append((job.uid, pod.index))
            if not state.job_controller_lags:
                self._count_removed_pods()

    def _has_succeeded(self, pod: PodView) -> bool:
        """Whether all containers of the pod have ended with 0."""
        return pod.state == PodState.SUCCEEDED and not pod.sidecars_run and pod.uid not in self.state.killed_sidecars

    def delete_job(self, job: JobView) -> None:
        """Delete the Job; garbage collection deletes its pods."""
        del self.state.jobs[job.name]
        self.collect_garbage(job)

    def delete_lease(self, number: tuple[int, int]) -> None:
        """Delete the attempt's Lease, and the report on it."""
        self.state.leases.discard(number)
        self.state.reports.pop(number, None)
        self.state.renewed.pop(number, None)

    def collect_garbage(self, job: JobView) -> None:
        """Delete the pods of a Job that is gone."""
        for pod in self.state.pods_of(job):
            self.delete_pod(pod, 30)

    def _count_removed_pods(self) -> None:
        state = self.state
        for name, job in state.jobs.items():
            if removed := {index for uid, index in state.uncounted_pods if uid == job.uid}:
                state.jobs[name] = replace(job, failed_indexes=job.failed_indexes | removed)
        state.uncounted_pods = []

    def _create_missing_pods(self, uid: str) -> None:
        """Make pods for the hosts that have had none, or only replaced ones: a failed index gets no second pod."""
        state = self.state
        job = next((job for job in state.jobs.values() if job.uid == uid), None)
        if job is None or job.suspended or job.held:
            return
        per_slice = state.hosts // state.slices
        gang = state.gang_by_job[uid]
        counted = [pod for pod in state.pods.values() if state.gang_by_pod[pod.uid] is gang and pod.uid not in state.replaced_pods]
        started = job.failed_indexes | {pod.index for pod in counted}
        if state.slices == 1 and not counted and any(other is gang for other in state.gang_by_pod.values()):
            state.gang_by_job[uid] = gang.restarted()
        for index in range(job.slice * per_slice, (job.slice + 1) * per_slice):
            if index not in started:
                self._create_pod(job, index)

    def _create_pod(self, job: JobView, index: int) -> None:
        state = self.state
        uid = f"{job.name}-{index}-{len(state.gang_by_pod)}"
        name = f"{job.name}-{index}"
        while name in state.pods:  # a zombie's name: the Job controller adds random letters
            name += "x"
        state.gang_by_pod[uid] = state.gang_by_job[job.uid]
        state.pods[name] = PodView(
            name=name,
            uid=uid,
            stage=job.stage,
            attempt=job.attempt,
            slice=job.slice,
            index=index,
            state=PodState.PENDING,
            waiting=Waiting(reason="Unschedulable", message=NO_NODE, since=stamp(state.clock)),
        )
