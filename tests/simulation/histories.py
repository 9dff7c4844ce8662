"""Random histories: a seeded generator of moves, the checks after each, and the way back to a healed cluster."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from lwm_operator.api.status import Phase
from lwm_operator.api.training import Training
from simulation.builders import stage, training
from simulation.convergence import check_rest, heal
from simulation.moves import Move, make_move
from simulation.sampling import script
from simulation.scenarios import Randomness
from simulation.simulation import Simulation

CPU = {"type": "cpu", "cpu": {"hosts": 2, "devicesPerHost": 4}}
SLICES = {"type": "tpu", "tpu": {"family": "v6e", "topology": "2x2", "slices": 2}}
"""Two hosts as well, each a slice with a Job of its own."""

BOOKS = {"name": "books", "source": {"uri": "gs://lwm/books"}}
PREPARED = {"preparation": {"workers": 2}}
POEMS = {"name": "poems", "source": {"uri": "gs://lwm/poems"}, **PREPARED}


def _stages(lengths: tuple[int, ...], theta: float, sets: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """The first stage draws on the first data set, each other one on the last."""
    names = [sets[0]["name"], *(len(lengths) - 1) * [sets[-1]["name"]]]
    return [
        stage(name, steps=steps, ropeTheta=theta, mixture=[{"dataset": drawn}])
        for name, steps, drawn in zip("abc", lengths, names, strict=False)
    ]


TRAININGS: tuple[Training, ...] = tuple(
    training(
        stages=_stages(lengths, theta, sets),
        datasets=sets,
        checkpoint={"uri": "gs://lwm/runs", "saveIntervalSteps": 5, "maxToKeep": keep},
        failurePolicy={
            "budgets": {"app": 1, "infra": 3, "hang": 1, "disruption": 5},
            "onExhausted": exhausted,
            "onDivergence": {"maxRollbacks": 2},
        },
        execution={"placementTimeoutSeconds": 60, "startupTimeoutSeconds": 3600, "queueName": queue},
        ttlSecondsAfterFinished=ttl,
        accelerator=accelerator,
    )
    for lengths, theta, keep, exhausted, ttl, accelerator, queue, sets in (
        ((20,), 1e4, 2, "Pause", None, CPU, None, (BOOKS,)),
        ((20, 10), 1e3, 3, "Fail", None, CPU, None, (BOOKS,)),
        ((15, 10, 10), 1e4, 2, "Pause", 600, CPU, None, (BOOKS,)),
        ((20, 10), 1e4, 2, "Pause", None, SLICES, None, (BOOKS,)),
        ((20, 10), 1e4, 2, "Pause", None, CPU, "team", (BOOKS,)),
        ((20, 10), 1e4, 2, "Pause", 600, CPU, None, (BOOKS | PREPARED, POEMS)),
        ((15, 10), 1e4, 2, "Fail", None, CPU, "team", (BOOKS, POEMS)),
    )
)

LENGTH = 44
"""Moves of a history; the last script may add some."""


class HistoryError(AssertionError):
    """A history in which an invariant was violated, with all that is needed to replay it."""

    def __init__(self, seed: int | None, which: int, moves: list[Move], cause: BaseException) -> None:
        super().__init__(f"seed {seed}: {type(cause).__name__}: {cause}\nreplay({which}, {moves!r})")
        self.moves, self.which, self.cause = moves, which, cause


def run(seed: int) -> Counter[str]:
    """Run one history and return its coverage. Raises HistoryError."""
    rng = Randomness(seed)
    which = rng.randrange(len(TRAININGS))
    simulation = Simulation(TRAININGS[which])
    moves: list[Move] = []
    try:
        while len(moves) < LENGTH:
            for move in script(rng, simulation):
                moves.append(move)
                apply(simulation, move)
        finish(simulation)
    except Exception as error:
        raise HistoryError(seed, which, moves, error) from error
    return simulation.coverage


def replay(which: int, moves: Iterable[Move]) -> Simulation:
    """Make these moves, with all checks. Raises HistoryError."""
    simulation, done = Simulation(TRAININGS[which]), []
    try:
        for move in moves:
            done.append(move)
            apply(simulation, move)
        finish(simulation)
    except Exception as error:
        raise HistoryError(None, which, done, error) from error
    return simulation


def apply(simulation: Simulation, move: Move) -> None:
    if move[0] == "check rest":
        check_rest(simulation)
    else:
        make_move(simulation, move)


def finish(simulation: Simulation) -> None:
    """Whatever happened, the training completes in a healed cluster, and then nothing is left to do."""
    check_rest(simulation)
    heal(simulation)
    decided = check_rest(simulation)
    assert decided.status.phase == Phase.COMPLETE
