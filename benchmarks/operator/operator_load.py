"""Load of the operator itself while trainings run: memory, and calls to the API server."""

import time
from pathlib import Path

from benchmarks.operator.measurements import OperatorMeasurement
from benchmarks.operator.process_kills import START_SECONDS, progress
from benchmarks.operator.watch import Watch, WatchEvent, named, of_job
from benchmarks.operator.workloads import Bench, nowhere, training
from devcluster.pods import main_process
from devcluster.processes import members
from devcluster.run import say
from tools.kubectl import Kubectl
from tools.operator_chart import NAMESPACE

REAL = 2
WAITING = 40
WINDOW_SECONDS = 60
EVERY = 100
"""Steps between commits: some half a minute, where real trainings take minutes."""
CALLS = "lwm_operator_api_calls_total"


def load(bench: Bench) -> list[OperatorMeasurement]:
    """A few trainings that step, then many whose pods no node takes; a window of a minute each."""
    operator = the_operator(bench)
    idle = resident(operator.process)
    names = [f"real-{number}" for number in range(REAL)]
    with Watch(bench.kubectl, "coordination.k8s.io/v1", "leases") as leases:
        for name in names:
            bench.create(training(name, every=EVERY))
        for name in names:
            leases.first(named(f"{name}-s1-a1", has_stepped), START_SECONDS, f"{name} steps")
    stepping = per_training_and_minute(operator, REAL, "that step")
    for name in names:
        bench.delete("lwmtraining", name)

    names = [f"waiting-{number}" for number in range(WAITING)]
    with Watch(bench.kubectl, "v1", "pods") as pods:
        began = time.time()
        for name in names:
            bench.create(nowhere(name))
        last = max(pods.first(of_job(f"{name}-s1-a1"), 120, f"{name} has a pod").moment for name in names)
    say(f"  {WAITING} trainings created, each has a pod after {last - began:.1f} s")
    waiting = per_training_and_minute(operator, WAITING, "that wait")
    memory = resident(operator.process)
    bench.kubectl("delete", "lwmtrainings", "--all", "--wait=false")
    controllers = next(process.pid for process in members(bench.cluster) if process.program == "kube-controller-manager")
    unit = "calls/training/min"
    return [
        OperatorMeasurement(
            name="operator's memory",
            value=memory,
            unit="MiB",
            peer=resident(controllers),
            note=f"resident, with {WAITING} trainings; {idle:.0f} before them; peer: kube-controller-manager",
        ),
        OperatorMeasurement(
            name="operator's API calls, trainings that step",
            value=stepping,
            unit=unit,
            note=f"{REAL} trainings, a commit every {EVERY} steps, {WINDOW_SECONDS} s",
        ),
        OperatorMeasurement(
            name="operator's API calls, trainings that wait",
            value=waiting,
            unit=unit,
            note=f"{WAITING} trainings without a node, {WINDOW_SECONDS} s",
        ),
    ]


def has_stepped(lease: WatchEvent) -> bool:
    """Whether the attempt is past its first step."""
    return bool(progress(lease).get("step", 0) > 0)


class Operator:
    """The operator's pod."""

    def __init__(self, kubectl: Kubectl, pod: str, uid: str) -> None:
        self._kubectl, self._pod = kubectl, pod
        self.process = main_process(uid)

    def calls(self) -> float:
        """All calls to the API server since its start."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{self._pod}:9090/proxy/metrics"
        return total(self._kubectl("get", "--raw", path), CALLS)


def the_operator(bench: Bench) -> Operator:
    system = Kubectl(bench.kubectl.kubeconfig, NAMESPACE, bench.kubectl.program)
    (name,) = system("get", "pods", "--selector=app.kubernetes.io/name=lwm-operator", "--output=name").split()
    pod = name.removeprefix("pod/")
    return Operator(system, pod, system.get("pod", pod)["metadata"]["uid"])


def per_training_and_minute(operator: Operator, trainings: int, which: str) -> float:
    before, began = operator.calls(), time.monotonic()
    time.sleep(WINDOW_SECONDS)
    rate = (operator.calls() - before) / trainings / (time.monotonic() - began) * 60
    say(f"  {trainings} trainings {which}: {rate:.1f} API calls per training and minute")
    return rate


def total(metrics: str, name: str) -> float:
    """The sum over all labels of a metric in Prometheus' text. Raises ValueError where there is none."""
    lines = [line for line in metrics.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    if not lines:
        raise ValueError(f"no {name} among the operator's metrics")
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def resident(pid: int) -> float:
    """Resident memory of the process, MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024
