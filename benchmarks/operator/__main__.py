"""`make bench-operator`: the operator from outside, on the embedded cluster. Prints a table and writes build/benchmarks/operator.json."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from benchmarks.operator.handover import handover
from benchmarks.operator.measurements import OperatorMeasurement, table, write
from benchmarks.operator.node_losses import losses
from benchmarks.operator.operator_load import load
from benchmarks.operator.planning import planning
from benchmarks.operator.process_kills import kills
from benchmarks.operator.starts import starts
from benchmarks.operator.workloads import Bench
from benchmarks.parts import chosen, collect, limit
from devcluster import lifecycle
from devcluster.installation import install_operator, load_images, namespace
from devcluster.paths import DEFAULT_NAME, REPOSITORY, Cluster
from devcluster.run import say
from devcluster.trainings import BUCKET
from quickstart.storage import small_objects, upload

OUTPUT = REPOSITORY / "build" / "benchmarks" / "operator.json"
LONGEST_MINUTES = 15

PARTS: dict[str, Callable[[Bench], Sequence[OperatorMeasurement]]] = {
    "plan": lambda _: planning(),
    "starts": starts,
    "handover": handover,
    "kills": kills,
    "losses": losses,
    "load": load,
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench-operator", description=__doc__)
    parser.add_argument("--name", default=os.environ.get("LWM_CLUSTER", DEFAULT_NAME), help="the cluster, which must be up")
    options, parts = chosen(parser, PARTS, arguments)
    cluster = Cluster(options.name)
    if lifecycle.ready_nodes(cluster) != len(cluster.nodes):
        parser.error(f"cluster {cluster.name} is not up: `make cluster-up NAME={cluster.name}`")
    limit(LONGEST_MINUTES, "--parts")
    say("installing the operator of this checkout")
    images = load_images(cluster)
    install_operator(cluster, *images)
    upload(small_objects(), BUCKET, cluster.storage_url)
    with namespace(cluster, "bench", level="privileged") as kubectl:
        rows = [machine(), *collect(PARTS, parts, Bench(cluster, kubectl, images[1]), broken)]
    print(table(rows))
    write(rows, OUTPUT)
    say(f"written to {OUTPUT.relative_to(REPOSITORY)}")
    return 1 if any(row.value is None for row in rows) else 0


def machine() -> OperatorMeasurement:
    """What else went on: on a busy machine every time below is longer, the peers' too."""
    return OperatorMeasurement(name="machine's load average at the start", value=os.getloadavg()[0], unit=f"of {os.cpu_count()} cores")


def broken(part: str, why: str) -> OperatorMeasurement:
    return OperatorMeasurement(name=part, value=None, unit="", note=why)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
