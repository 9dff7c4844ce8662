"""`make bench-operator`: the operator from outside, on the embedded cluster. Prints a table and writes build/benchmarks/operator.json."""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from types import FrameType

from benchmarks.operator.handover import handover
from benchmarks.operator.kills import kills
from benchmarks.operator.load import load
from benchmarks.operator.losses import losses
from benchmarks.operator.planning import planning
from benchmarks.operator.rows import Row, table, write
from benchmarks.operator.starts import starts
from benchmarks.operator.workloads import Bench
from cluster import lifecycle
from cluster.paths import DEFAULT_NAME, REPOSITORY, Cluster
from cluster.run import say
from e2e.installation import built, namespace, prepare

OUTPUT = REPOSITORY / "build" / "benchmarks" / "operator.json"
LONGEST_SECONDS = 15 * 60

PARTS: dict[str, Callable[[Bench], Sequence[Row]]] = {
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
    parser.add_argument("--parts", default=",".join(PARTS), help="default: %(default)s")
    options = parser.parse_args(arguments)
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--parts: no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    cluster = Cluster(options.name)
    if lifecycle.ready_nodes(cluster) != len(cluster.nodes):
        parser.error(f"cluster {cluster.name} is not up: `make cluster-up NAME={cluster.name}`")
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(LONGEST_SECONDS)
    say("installing the operator of this checkout")
    images = built(cluster)
    prepare(cluster, *images)
    with namespace(cluster, "bench", level="privileged") as kubectl:
        rows = collect(parts, Bench(cluster, kubectl, images[1]))
    print(table(rows))
    write(rows, OUTPUT)
    say(f"written to {OUTPUT.relative_to(REPOSITORY)}")
    return 1 if any(row.value is None for row in rows) else 0


def machine() -> Row:
    """What else went on: on a busy machine every time below is longer, the peers' too."""
    return Row(name="machine's load average at the start", value=os.getloadavg()[0], unit=f"of {os.cpu_count()} cores")


class OutOfTimeError(BaseException):
    """The run has taken too long; no part of it may catch this, only its `finally` runs: a lost node is brought back."""


def out_of_time(_: int, __: FrameType | None) -> None:
    raise OutOfTimeError(f"not done after {LONGEST_SECONDS // 60} minutes, the machine is too busy: --parts measures some only")


def collect(parts: Sequence[str], bench: Bench) -> list[Row]:
    """Rows of every part; where one breaks, a row that says so, and the others are measured nevertheless."""
    rows = [machine()]
    for part in parts:
        say(part)
        try:
            rows += PARTS[part](bench)
        except OutOfTimeError as error:
            return [*rows, Row(name=f"{part} and what follows it", value=None, unit="", note=str(error))]
        except Exception as error:
            traceback.print_exc()
            rows.append(Row(name=part, value=None, unit="", note=f"{type(error).__name__}: {error}"))
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
