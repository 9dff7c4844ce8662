"""From the last step of a stage to the first of the next."""

import time
from collections.abc import Iterable
from datetime import datetime

from benchmarks.operator.measurements import OperatorMeasurement
from benchmarks.operator.process_kills import START_SECONDS, progress
from benchmarks.operator.watch import Watch, WatchEvent, named, of_job, runs
from benchmarks.operator.workloads import Bench, training
from devcluster.run import say
from devcluster.trainings import follow_steps

STEPS = 20
AIM_SECONDS = 10.0


def handover(bench: Bench) -> list[OperatorMeasurement]:
    """Two stages of one shape. What lies before the second's process is ours and the cluster's; what follows is its start-up."""
    manifest = training("two", steps=STEPS)
    (first,) = manifest["spec"]["stages"]
    manifest["spec"]["stages"] = [first, first | {"name": "again"}]
    with (
        Watch(bench.kubectl, "v1", "pods") as pods,
        Watch(bench.kubectl, "batch/v1", "jobs") as jobs,
        Watch(bench.kubectl, "coordination.k8s.io/v1", "leases") as leases,
    ):
        bench.create(manifest)
        before = pods.first(of_job("two-s1-a1", 0, runs), START_SECONDS, "host 0 of the first stage runs")
        ended = 0.0
        for _ in follow_steps(bench.kubectl, before.name):
            ended = time.time()
        job = jobs.first(named("two-s2-a1"), START_SECONDS, "the second stage's Job").moment
        after = pods.first(of_job("two-s2-a1", 0, runs), START_SECONDS, "host 0 of the second stage runs")
        next(follow_steps(bench.kubectl, after.name))
        stepped = time.time()
        saved = first_reported(event for event in leases.events() if event.name == "two-s1-a1").get("Complete", ended)
        phases = first_reported(event for event in leases.events() if event.name == "two-s2-a1")
    bench.delete("lwmtraining", "two")
    state = after.object["status"]["containerStatuses"][0]["state"]["running"]
    started = datetime.fromisoformat(state["startedAt"]).timestamp()
    above, start_up = started - ended, stepped - started
    ways = f"final commit {saved - ended:.1f} s, then {job - saved:.1f} s until the next Job and {started - job:.1f} s until its process"
    say(f"  {ways}, {start_up:.1f} s to its first step")
    phase_times = ", ".join(f"{phase} at {moment - started:.1f}" for phase, moment in phases.items())
    note = f"{ways} (to the second); peer: start-up, restore and compile, {phase_times}"
    return [
        OperatorMeasurement(name="stage end to the next stage's process", value=above, unit="s", peer=start_up, aim=AIM_SECONDS, note=note),
        OperatorMeasurement(
            name="last step to the next stage's first step", value=stepped - ended, unit="s", note="the row above and its peer together"
        ),
    ]


def first_reported(leases: Iterable[WatchEvent]) -> dict[str, float]:
    """Phase -> moment at which the trainer first reported it on its Lease, in order."""
    moments: dict[str, float] = {}
    for event in leases:
        if phase := progress(event).get("phase"):
            moments.setdefault(phase, event.moment)
    return moments
