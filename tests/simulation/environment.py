"""What scheduler, kubelets, nodes and people do. Each move does nothing where it cannot happen."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from lwm_operator.api.status import Status
from lwm_operator.plan.observed import PodState, PodView, Waiting
from lwm_operator.plan.timestamps import stamp
from simulation.kubernetes import NO_NODE
from simulation.state import BAD_IMAGE
from simulation.trainers import Trainers

NODES = ("node1", "node2", "node3")


class Nature(Trainers):
    def wait(self, seconds: float) -> None:
        """Time passes; whoever is alive renews its Lease meanwhile."""
        self.now += timedelta(seconds=seconds)
        for gang in self.crews:
            if 0 in gang.alive:
                gang.idle = gang.idle + int(seconds) if gang.hung else 0
                if gang.number in self.reports:
                    before = self.reports[gang.number]
                    self.report(gang, before.final)

    def jump(self, seconds: float) -> None:
        """The operator's clock is set."""
        self.now += timedelta(seconds=seconds)
        self.skew += timedelta(seconds=seconds)

    def schedule(self) -> None:
        """Pods get nodes: each its own if that is free, else whichever is."""
        held = Counter(pod.node for pod in self.pods.values() if pod.live and pod.node is not None)
        for pod in list(self.pods.values()):
            if pod.state != PodState.PENDING or pod.node is not None or pod.deleting:
                continue
            if pod.waiting is not None and pod.waiting.reason == "SchedulingGated":
                continue
            away = {*self.lost, *self.cordoned, *self.members[pod.uid].avoided}
            free = [node for node in NODES if node not in away]
            if not free or (self.room is not None and held.total() >= self.room):
                continue
            own = f"node{pod.index + 1}"
            node = own if own in free else min(free, key=lambda name: held[name])
            held[node] += 1
            self.pods[pod.name] = replace(pod, node=node, waiting=None)

    def start(self) -> None:
        """Pods that have or find a node run, if their image can be pulled."""
        self.schedule()
        for pod in list(self.pods.values()):
            if pod.state != PodState.PENDING or pod.node is None or pod.node in self.lost or pod.deleting:
                continue
            gang = self.members[pod.uid]
            if gang.image == BAD_IMAGE:
                said = Waiting(reason="ErrImagePull", message="not found: " + 300 * "x", since=stamp(self.clock))
                self.pods[pod.name] = replace(pod, waiting=pod.waiting or said)
                continue
            gang.alive.add(pod.index)
            self.pods[pod.name] = replace(pod, state=PodState.RUNNING, waiting=None)

    def hold_up(self, index: int, reason: str) -> None:
        """A kubelet (or, for a gate, the scheduler) says why the pod waits."""
        for pod in self.gang():
            gated = reason == "SchedulingGated"
            if pod.index == index and pod.state == PodState.PENDING and (pod.node is None) == gated and not pod.deleting:
                self.pods[pod.name] = replace(
                    pod, waiting=Waiting(reason=reason, message="not ready: " + 700 * "y", since=stamp(self.clock))
                )

    def ungate(self, pod: PodView) -> None:
        self.pods[pod.name] = replace(pod, waiting=None)

    def unschedulable(self) -> None:
        """The scheduler takes its word back for all pods that do not run yet: as if they were made only now."""
        for pod in self.gang():
            if pod.state == PodState.PENDING:
                self.pods[pod.name] = replace(
                    pod, node=None, waiting=Waiting(reason="Unschedulable", message=NO_NODE, since=stamp(self.clock))
                )

    def reject(self, index: int, reason: str) -> None:
        """A kubelet does not admit the pod, or ends it by itself: Failed, without an exit code."""
        for pod in self.gang():
            if pod.index == index and pod.live and pod.node is not None and pod.node not in self.lost:
                self.members[pod.uid].alive.discard(pod.index)
                self.pods[pod.name] = replace(pod, state=PodState.FAILED, reason=reason, waiting=None, message=f"{reason} by the kubelet")

    def leave(self) -> None:
        """What is being deleted ends, but for zombies. Its object stays for a moment."""
        for pod in list(self.pods.values()):
            if not pod.deleting or not pod.live or pod.node in self.lost:
                continue
            if pod.grace_seconds > 2:
                self.save_and_leave(self.members[pod.uid])
            self._end(pod.name, 143 if pod.grace_seconds > 2 else 137)

    def _end(self, name: str, code: int) -> None:
        pod = self.pods[name]
        if pod.live:
            self.members[pod.uid].alive.discard(pod.index)
            ended = code if pod.state == PodState.RUNNING else None
            self.pods[name] = replace(pod, state=PodState.FAILED, exit_code=ended, waiting=None)

    def clear(self) -> None:
        """The objects of deleted pods that have ended go."""
        if not self.lag:
            for name in [name for name, pod in self.pods.items() if pod.deleting and not pod.live]:
                self.vanish(name)

    def count(self) -> None:
        """The Job controller writes down what became of the pods."""
        if not self.lag:
            self.catch_up()
        for name, job in [] if self.lag else list(self.jobs.items()):
            own = [pod for pod in self.pods.values() if (pod.stage, pod.attempt, pod.slice) == (job.stage, job.attempt, job.slice)]
            pods = [pod for pod in own if pod.uid not in self.forsaken]
            succeeded = {pod.index for pod in pods if pod.state == PodState.SUCCEEDED}
            failed = job.failed_indexes | {pod.index for pod in pods if pod.state == PodState.FAILED}
            done = not any(pod.live for pod in pods) and (not job.suspended or len(failed | succeeded) >= self.hosts // self.slices)
            self.jobs[name] = replace(
                job,
                succeeded=max(job.succeeded, len(succeeded)),
                failed_indexes=failed - succeeded,
                failed=bool(failed - succeeded) and done,
                message="Job has failed indexes" if failed and done else "",
            )

    # Nodes.

    def lose_node(self, index: int, *, dead: bool = False, cut: bool = False) -> None:
        """A node is not ready and its pods are being deleted: their processes are dead, or cut off from the API, or as they were."""
        self.unready(index, dead=dead, cut=cut)
        self.taint()

    def unready(self, index: int, *, dead: bool = False, cut: bool = False) -> None:
        node = f"node{index + 1}"
        self.lost.add(node)
        for pod in self.pods.values():
            if pod.node == node and dead:
                self.members[pod.uid].alive.discard(pod.index)
            if pod.node == node and cut and pod.index == 0:
                self.members[pod.uid].silent = True

    def taint(self) -> None:
        """The node controller has waited long enough: what is on lost nodes is to go. Nobody there acknowledges it."""
        for pod in list(self.pods.values()):
            if pod.node in self.lost and pod.live and not pod.deleting:
                self.delete(pod, 30, reason="TaintedNode")

    def forget_node(self, index: int) -> None:
        """The node's object is deleted: garbage collection removes its pods; the processes may live on."""
        node = f"node{index + 1}"
        for name in [name for name, pod in self.pods.items() if pod.node == node and node in self.lost]:
            self.vanish(name)

    def node_back(self) -> None:
        """All nodes are ready; kubelets see to the processes that died meanwhile, and to what is to go."""
        self.lost.clear()
        for pod in list(self.pods.values()):
            gang = self.members[pod.uid]
            if pod.state == PodState.RUNNING and pod.index not in gang.alive and not pod.deleting:
                self.pods[pod.name] = replace(pod, state=PodState.FAILED, exit_code=137, reason=pod.reason or "Error")
            gang.silent = gang.silent and pod.index != 0

    def drain(self, index: int) -> None:
        node = f"node{index + 1}"
        self.cordoned.add(node)
        for pod in [pod for pod in self.pods.values() if pod.node == node and pod.live]:
            self.delete(pod, 120, reason="Evicted")

    # People.

    def evict(self, index: int, reason: str) -> None:
        for pod in self.gang():
            if pod.index == index and pod.live:
                self.delete(pod, 120, reason=reason)

    def delete_pod(self, index: int, *, force: bool = False) -> None:
        for pod in self.gang():
            if pod.index == index:
                self.force(pod) if force else self.delete(pod, 120)

    def force(self, pod: PodView) -> None:
        """The object goes at once; a kubelet that is there ends the process soon."""
        if pod.node not in self.lost:
            self.members[pod.uid].alive.discard(pod.index)
        self.vanish(pod.name)

    def delete_job(self) -> None:
        """By a user: garbage collection deletes the pods."""
        if (job := self.newest()) is not None:
            del self.jobs[job.name]
            self.collect(job)

    def forget_status(self) -> None:
        self.promises.forgotten(self)
        self.write(Status(), by_operator=False)
