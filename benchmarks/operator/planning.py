"""How long `plan` thinks."""

import statistics
import time
from collections.abc import Callable

from benchmarks.operator.rows import Row
from devcluster.run import say
from lwm_operator.api.status import Phase
from simulation.builders import stage, training
from simulation.simulation import World

HOSTS = 16
RESTARTS = 2
STEPS = 60
ROUNDS = 2_000
AIM_MICROSECONDS = 200.0


def planning() -> list[Row]:
    """`plan` over a world that stands still, beside one dump of the status that it returns."""
    here = world()
    status = here.plan().status
    if (found := (status.phase, status.current_stage, status.attempt)) != (Phase.RUNNING, 2, RESTARTS + 1):
        raise ValueError(f"the world is not the one meant: {found}")
    ours = microseconds(here.plan)
    peer = microseconds(lambda: status.model_dump(mode="json", by_alias=True, exclude_none=True))
    say(f"  plan: {ours:.0f} us, dump of the status {peer:.0f} us")
    note = f"median of {ROUNDS}, {HOSTS} hosts, third attempt of the second stage, the pods of two failed ones beside it; peer: model_dump"
    return [Row(name="plan", value=ours, unit="us", peer=peer, aim=AIM_MICROSECONDS, note=note)]


def microseconds(call: Callable[[], object]) -> float:
    """Median of ROUNDS calls."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - began)
    return statistics.median(taken) / 1000


def world() -> World:
    """The second of three stages in its third attempt, with a report and the remains of the attempts before: what most calls see."""
    mesh = {"dp": 1, "fsdp": 4, "tp": 1, "sp": 4}
    stages = [stage(name, batchTokens=8192, mesh=mesh, steps=STEPS) for name in ("a", "b", "c")]
    here = World(training=training(stages=stages, accelerator={"type": "cpu", "cpu": {"hosts": HOSTS, "devicesPerHost": 1}}))
    begin(here, STEPS)
    here.finish()
    for _ in range(RESTARTS):
        begin(here, 10)
        here.fail(3, 137)
        here.reconcile()
        for _ in range(3):  # survivors are given time, are deleted, are gone
            here.wait(11)
            here.reconcile()
            here.leave()
    begin(here, 10)
    return here


def begin(here: World, steps: int) -> None:
    """From a new Job to a gang that has made steps."""
    for what in (here.start, lambda: here.train(steps, commit=True), lambda: None):
        here.reconcile()
        what()
