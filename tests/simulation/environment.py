"""The environment of a simulated cluster: scheduler, kubelets, nodes and users. A move does nothing where it cannot happen."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from lwm_operator.api.names import job_name
from lwm_operator.plan.observed import PodState, Waiting
from lwm_operator.plan.timestamps import stamp
from simulation.job_controller import JobController
from simulation.state import BAD_IMAGE, NO_NODE, ClusterState
from simulation.trainers import Trainers

NODES = ("node1", "node2", "node3")


def node_of(index: int) -> str:
    """The node on which the host with this index usually runs."""
    return f"node{index + 1}"


class Environment:
    def __init__(self, state: ClusterState, job_controller: JobController, trainers: Trainers) -> None:
        self.state = state
        self.job_controller = job_controller
        self.trainers = trainers

    # Time.

    def wait(self, seconds: float) -> None:
        """Time passes; process 0 of every gang that is alive renews its Lease meanwhile."""
        state = self.state
        state.now += timedelta(seconds=seconds)
        for gang in state.gangs:
            if 0 in gang.alive:
                gang.idle = gang.idle + int(seconds) if gang.hung else 0
                if gang.number in state.reports:
                    self.trainers.report(gang, state.reports[gang.number].final)

    def set_clock(self, seconds: float) -> None:
        """Somebody sets the operator's clock."""
        if self.state.timers_run:
            self.state.coverage[f"situation ClockSet{'Back' if seconds < 0 else 'Forward'}"] += 1
        self.state.now += timedelta(seconds=seconds)
        self.state.skew += timedelta(seconds=seconds)

    # The scheduler.

    def schedule(self) -> None:
        """Pods get nodes: each its usual one if that is free, else the one with the fewest pods."""
        state = self.state
        pods_on = Counter(pod.node for pod in state.pods.values() if pod.live and pod.node is not None)
        for pod in list(state.pods.values()):
            if pod.state != PodState.PENDING or pod.node is not None or pod.deleting:
                continue
            if pod.waiting is not None and pod.waiting.reason == "SchedulingGated":
                continue
            excluded = {*state.lost_nodes, *state.cordoned_nodes, *state.gang_by_pod[pod.uid].avoided}
            free = [node for node in NODES if node not in excluded]
            if not free or (state.capacity is not None and pods_on.total() >= state.capacity):
                continue
            usual = node_of(pod.index)
            node = usual if usual in free else min(free, key=lambda name: pods_on[name])
            pods_on[node] += 1
            state.pods[pod.name] = replace(pod, node=node, waiting=None)

    def unschedule(self) -> None:
        """All pods that do not run yet lose their node, as if they had only just been made."""
        for pod in self.state.newest_pods:
            if pod.state == PodState.PENDING:
                waiting = Waiting(reason="Unschedulable", message=NO_NODE, since=stamp(self.state.clock))
                self.state.pods[pod.name] = replace(pod, node=None, waiting=waiting)

    def ungate_all(self) -> None:
        """Nothing keeps the scheduler from gated pods any longer."""
        for pod in list(self.state.pods.values()):
            if pod.waiting is not None and pod.waiting.reason == "SchedulingGated":
                self.state.pods[pod.name] = replace(pod, waiting=None)

    # Kubelets.

    def start(self) -> None:
        """Pods that have or find a node run, if their image can be pulled."""
        self.schedule()
        state = self.state
        for pod in list(state.pods.values()):
            if pod.state != PodState.PENDING or pod.node is None or pod.node in state.lost_nodes or pod.deleting:
                continue
            gang = state.gang_by_pod[pod.uid]
            if gang.image == BAD_IMAGE:
                waiting = Waiting(reason="ErrImagePull", message="not found: " + 300 * "x", since=stamp(state.clock))
                state.pods[pod.name] = replace(pod, waiting=pod.waiting or waiting)
                continue
            gang.alive.add(pod.index)
            state.pods[pod.name] = replace(pod, state=PodState.RUNNING, waiting=None)

    def hold_up(self, index: int, reason: str) -> None:
        """The kubelet (or, for a scheduling gate, the scheduler) says why the pod waits."""
        for pod in self.state.newest_pods:
            gated = reason == "SchedulingGated"
            if pod.index == index and pod.state == PodState.PENDING and (pod.node is None) == gated and not pod.deleting:
                waiting = Waiting(reason=reason, message="not ready: " + 700 * "y", since=stamp(self.state.clock))
                self.state.pods[pod.name] = replace(pod, waiting=waiting)

    def reject(self, index: int, reason: str, exit_code: int | None = None) -> None:
        """A kubelet does not admit the pod, cannot start it, or ends it by itself: it is Failed, mostly without an exit code."""
        state = self.state
        for pod in state.newest_pods:
            if pod.index == index and pod.live and pod.node is not None and pod.node not in state.lost_nodes:
                state.gang_by_pod[pod.uid].alive.discard(pod.index)
                state.pods[pod.name] = replace(
                    pod, state=PodState.FAILED, exit_code=exit_code, reason=reason, waiting=None, message=f"{reason} by the kubelet"
                )

    def terminate_deleted(self) -> None:
        """The processes of deleted pods end, except on lost nodes. The pods' objects stay for a moment."""
        state = self.state
        for pod in list(state.pods.values()):
            if pod.deleting and pod.sidecars_run and pod.node not in state.lost_nodes:
                state.killed_sidecars.add(pod.uid)
                state.pods[pod.name] = replace(pod, sidecars_run=False)
            if not pod.deleting or not pod.live or pod.node in state.lost_nodes:
                continue
            if pod.grace_seconds > 2:
                self.trainers.save_and_exit(state.gang_by_pod[pod.uid])
            self._kill(pod.name, 143 if pod.grace_seconds > 2 else 137)

    def _kill(self, name: str, code: int) -> None:
        pod = self.state.pods[name]
        if pod.live:
            self.state.gang_by_pod[pod.uid].alive.discard(pod.index)
            exit_code = code if pod.state == PodState.RUNNING else None
            self.state.pods[name] = replace(pod, state=PodState.FAILED, exit_code=exit_code, waiting=None)

    def remove_terminated(self) -> None:
        """The objects of deleted pods that have ended are removed, once the Job controller has released them."""
        if not self.state.job_controller_lags:
            for name in [name for name, pod in self.state.pods.items() if pod.deleting and not pod.holds_node]:
                self.job_controller.remove_pod(name)

    # Nodes.

    def lose_node(self, index: int, *, dead: bool = False, cut: bool = False) -> None:
        """A node is not ready and its pods are being deleted: their processes are dead, or cut off from the API, or as they were."""
        self.unready(index, dead=dead, cut=cut)
        self.taint()

    def unready(self, index: int, *, dead: bool = False, cut: bool = False) -> None:
        """A node is not ready: its processes are dead, or cut off from the API, or as they were."""
        node = node_of(index)
        self.state.lost_nodes.add(node)
        for pod in self.state.pods.values():
            if pod.node == node and dead:
                self.state.gang_by_pod[pod.uid].alive.discard(pod.index)
            if pod.node == node and cut and pod.index == 0:
                self.state.gang_by_pod[pod.uid].silent = True

    def reclaim_node(self, index: int) -> None:
        """The provider takes a node back: its processes are dead, and the node says that it goes."""
        self.unready(index, dead=True)
        self.state.reclaimed_nodes.add(node_of(index))

    def taint(self) -> None:
        """The node controller deletes the pods on lost nodes. No kubelet there acknowledges it."""
        for pod in list(self.state.pods.values()):
            if pod.node in self.state.lost_nodes and pod.live and not pod.deleting:
                self.job_controller.delete_pod(pod, 30, "TaintedNode")

    def forget_node(self, index: int) -> None:
        """The object of a lost node is deleted: garbage collection removes its pods; the processes may live on."""
        node = node_of(index)
        for name in [name for name, pod in self.state.pods.items() if pod.node == node and node in self.state.lost_nodes]:
            self.job_controller.remove_pod(name)

    def recover_nodes(self) -> None:
        """All nodes are ready; kubelets report the processes that died meanwhile."""
        state = self.state
        state.lost_nodes.clear()
        state.reclaimed_nodes.clear()
        for pod in list(state.pods.values()):
            gang = state.gang_by_pod[pod.uid]
            if pod.state == PodState.RUNNING and pod.index not in gang.alive and not pod.deleting:
                state.pods[pod.name] = replace(pod, state=PodState.FAILED, exit_code=137, reason=pod.reason or "Error")
            gang.silent = gang.silent and pod.index != 0

    # Users.

    def drain(self, index: int) -> None:
        """A node is cordoned and its pods are evicted."""
        node = node_of(index)
        self.state.cordoned_nodes.add(node)
        for pod in [pod for pod in self.state.pods.values() if pod.node == node and pod.live]:
            self.job_controller.delete_pod(pod, 120, "Evicted")

    def uncordon_all(self) -> None:
        self.state.cordoned_nodes.clear()

    def evict(self, index: int, reason: str) -> None:
        """A pod is deleted with a condition DisruptionTarget that has this reason."""
        for pod in self.state.newest_pods:
            if pod.index == index and pod.live:
                self.job_controller.delete_pod(pod, 120, reason)

    def delete_pod(self, index: int) -> None:
        for pod in self.state.newest_pods:
            if pod.index == index:
                self.job_controller.delete_pod(pod, 120)

    def force_delete_pod(self, index: int) -> None:
        """The object is removed at once; where there is a kubelet, it ends the process soon."""
        for pod in self.state.newest_pods:
            if pod.index == index:
                if pod.node not in self.state.lost_nodes:
                    self.state.gang_by_pod[pod.uid].alive.discard(pod.index)
                self.job_controller.remove_pod(pod.name)

    def delete_companion(self, which: str) -> None:
        """A user deletes the Lease (`lease`) or another object beside the newest Job."""
        if (job := self.state.newest_job) is None:
            return
        if which == "lease":
            self.job_controller.delete_lease((job.stage, job.attempt))
        else:
            self.state.incomplete.add(job_name(self.state.training.metadata.name, job.stage, job.attempt))

    def delete_job(self) -> None:
        """A user deletes the newest Job: garbage collection deletes its pods."""
        if (job := self.state.newest_job) is not None:
            del self.state.jobs[job.name]
            self.job_controller.collect_garbage(job)
