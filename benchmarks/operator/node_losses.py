"""A node is lost under a running training."""

import time

from benchmarks.operator.measurements import OperatorMeasurement
from benchmarks.operator.process_kills import START_SECONDS, has_committed
from benchmarks.operator.watch import Watch, WatchEvent, named, of_job, other_than, runs
from benchmarks.operator.workloads import LOST_NODE_SECONDS, Bench, bare_job, training
from devcluster.faults import lose, revive
from devcluster.run import say
from devcluster.trainings import follow_steps

AIM_SECONDS = 60.0
LONGEST_SECONDS = 150


def losses(bench: Bench) -> list[OperatorMeasurement]:
    """Node 2, because the object store and the operator live on node 1."""
    node = bench.cluster.nodes[1]

    def there(event: WatchEvent) -> bool:
        return runs(event) and event.object["spec"]["nodeName"] == node.name

    with (
        Watch(bench.kubectl, "v1", "pods") as pods,
        Watch(bench.kubectl, "batch/v1", "jobs") as jobs,
        Watch(bench.kubectl, "coordination.k8s.io/v1", "leases") as leases,
    ):
        bench.create(bare_job("bare-loss", bench.trainer, selector={"kubernetes.io/hostname": node.name}))
        bench.create(training("loss"))
        bare = pods.first(of_job("bare-loss", holds=runs), 60, "the bare Job's pod runs").object["metadata"]["uid"]
        pods.first(
            of_job("loss-s1-a1", holds=there),
            START_SECONDS,
            f"a host of the training runs on {node.name}",
        )
        leases.first(named("loss-s1-a1", has_committed), START_SECONDS, "the training has committed")
        lost = time.time()
        try:
            lose(node)
            ours = jobs.first(named("loss-s1-a2"), LONGEST_SECONDS, "Job loss-s1-a2").moment - lost
            say(f"  next attempt's Job {ours:.1f} s after the loss")
            host = pods.first(of_job("loss-s1-a2", 0, runs), START_SECONDS, "host 0 of loss-s1-a2 runs")
            next(follow_steps(bench.kubectl, host.name))
            stepping = time.time() - lost
            say(f"  stepping {stepping:.1f} s after the loss")
            peer = pods.first(of_job("bare-loss", holds=other_than(bare)), LONGEST_SECONDS, "the bare Job has a new pod").moment - lost
            say(f"  bare Job's replacement {peer:.1f} s after the loss")
        finally:
            revive(node)
    bench.delete("lwmtraining", "loss")
    bench.delete("job", "bare-loss")
    peers = f"one loss; peer: the replacement pod of a bare Job that tolerates a lost node for {LOST_NODE_SECONDS} s (300 by default)"
    rest = f"both hosts on one node; its host 0 runs {host.moment - lost:.1f} s after the loss"
    return [
        OperatorMeasurement(name="node lost to the next attempt's Job", value=ours, unit="s", peer=peer, aim=AIM_SECONDS, note=peers),
        OperatorMeasurement(name="node lost to the first new step", value=stepping, unit="s", note=rest),
    ]
