"""From the command that creates a training to its first pod, beside a bare Indexed Job."""

import statistics
import time

from benchmarks.operator.measurements import OperatorMeasurement
from benchmarks.operator.watch import Watch, of_job
from benchmarks.operator.workloads import NOWHERE, Bench, bare_job, nowhere
from devcluster.run import say

ROUNDS = 7


def starts(bench: Bench) -> list[OperatorMeasurement]:
    """Medians of rounds that alternate. No node takes the pods: it is their creation that counts."""
    ours, bare = [], []
    with Watch(bench.kubectl, "v1", "pods") as pods:
        for number in range(ROUNDS):
            name = f"start-{number}"
            began = time.time()
            bench.create(nowhere(name))
            ours.append(pods.first(of_job(f"{name}-s1-a1"), 60, f"the first pod of {name}").moment - began)
            bench.delete("lwmtraining", name)
            name = f"bare-{number}"
            began = time.time()
            bench.create(bare_job(name, bench.trainer, hosts=2, selector=NOWHERE))
            bare.append(pods.first(of_job(name), 60, f"the first pod of {name}").moment - began)
            bench.delete("job", name)
            say(f"  round {number + 1}/{ROUNDS}: training {ours[-1]:.2f} s, bare Job {bare[-1]:.2f} s")
    note = f"medians of {ROUNDS} rounds, kubectl's own start included; ours {min(ours):.2f} to {max(ours):.2f} s; peer: a bare Indexed Job"
    return [
        OperatorMeasurement(
            name="create to first pod created", value=statistics.median(ours), unit="s", peer=statistics.median(bare), note=note
        )
    ]
