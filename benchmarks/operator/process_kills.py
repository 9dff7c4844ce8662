"""A process is killed: how soon there is a new attempt, and how soon it steps."""

import json
import statistics
import time
from typing import Any

from benchmarks.operator.measurements import OperatorMeasurement, percentile
from benchmarks.operator.watch import Watch, WatchEvent, named, of_job, other_than, runs
from benchmarks.operator.workloads import Bench, bare_job, training
from devcluster.pods import kill
from devcluster.run import say
from devcluster.trainings import follow_steps
from lwm_trainer.config import PROGRESS_ANNOTATION

KILLS = 6
BARE = 3
START_SECONDS = 180
AIM_JOB_SECONDS = 5.0


def kills(bench: Bench) -> list[OperatorMeasurement]:
    """Each kill comes after the attempt has committed, so that no backoff is due."""
    replaced = bare(bench)
    to_failed, to_job, to_start, to_step = [], [], [], []
    with (
        Watch(bench.kubectl, "v1", "pods") as pods,
        Watch(bench.kubectl, "batch/v1", "jobs") as jobs,
        Watch(bench.kubectl, "coordination.k8s.io/v1", "leases") as leases,
    ):
        # So many kills on so few nodes would have each node avoided, and the operator wait for others.
        bench.create(training("kills", failurePolicy={"avoidNodesAfter": 0}))
        for number in range(1, KILLS + 1):
            job, following = f"kills-s1-a{number}", f"kills-s1-a{number + 1}"
            victim = pods.first(of_job(job, 1, runs), START_SECONDS, f"host 1 of {job} runs")
            leases.first(named(job, has_committed), START_SECONDS, f"{job} has committed")
            killed = time.time()
            kill(victim.object["metadata"]["uid"])
            to_job.append(jobs.first(named(following), START_SECONDS, f"Job {following}").moment - killed)
            to_failed.append(pods.first(of_job(job, holds=has_failed), START_SECONDS, f"a pod of {job} has failed").moment - killed)
            first = pods.first(of_job(following, 0, runs), START_SECONDS, f"host 0 of {following} runs")
            to_start.append(first.moment - killed)
            next(follow_steps(bench.kubectl, first.name))
            to_step.append(time.time() - killed)
            ways = f"Failed after {to_failed[-1]:.1f} s, next Job {to_job[-1]:.1f} s, running {to_start[-1]:.1f} s"
            say(f"  kill {number}/{KILLS}: {ways}, stepping {to_step[-1]:.1f} s")
    bench.delete("lwmtraining", "kills")
    again = f"a bare Indexed Job's replacement pod, median of {BARE}"
    return [
        OperatorMeasurement(
            name="killed to the next attempt's Job, 95th percentile",
            value=percentile(to_job, 0.95),
            unit="s",
            peer=statistics.median(replaced),
            aim=AIM_JOB_SECONDS,
            note=f"{KILLS} kills after a commit, median {statistics.median(to_job):.1f} s; the first pod is called Failed after"
            f" {statistics.median(to_failed):.1f} s, at most {max(to_failed):.1f} s; peer: {again}",
        ),
        OperatorMeasurement(
            name="killed to the first new step, median",
            value=statistics.median(to_step),
            unit="s",
            note=f"of {KILLS} kills, {min(to_step):.1f} to {max(to_step):.1f} s; host 0 runs after {statistics.median(to_start):.1f} s,"
            " the rest is the trainer's start-up, restore and compile",
        ),
    ]


def bare(bench: Bench) -> list[float]:
    """From the kill of a bare Job's only process to its replacement, seconds, several Jobs at a time."""
    names = [f"bare-kill-{number}" for number in range(BARE)]
    with Watch(bench.kubectl, "v1", "pods") as pods:
        for name in names:
            bench.create(bare_job(name, bench.trainer))
        killed: dict[str, tuple[str, float]] = {}
        for name in names:
            pod = pods.first(of_job(name, holds=runs), 60, f"the pod of {name} runs").object
            killed[name] = (pod["metadata"]["uid"], time.time())
            kill(pod["metadata"]["uid"])
        seconds = [
            pods.first(of_job(name, holds=other_than(uid)), 60, f"{name} has a new pod").moment - moment
            for name, (uid, moment) in killed.items()
        ]
    for name in names:
        bench.delete("job", name)
    say(f"  bare Jobs: a new pod after {', '.join(f'{value:.1f}' for value in seconds)} s")
    return seconds


def has_failed(event: WatchEvent) -> bool:
    """Whether a pod has failed."""
    return bool(event.object["status"].get("phase") == "Failed")


def progress(event: WatchEvent) -> dict[str, Any]:
    """What the trainer has written on its Lease; {} before it has."""
    report: dict[str, Any] = json.loads(event.object["metadata"].get("annotations", {}).get(PROGRESS_ANNOTATION, "{}"))
    return report


def has_committed(event: WatchEvent) -> bool:
    """Whether the attempt has committed a step of its own."""
    report = progress(event)
    return bool(report) and report.get("committedStep", 0) > report.get("resumedFrom", 0)
