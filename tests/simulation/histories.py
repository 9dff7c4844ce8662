"""Random histories: a seeded generator of moves that go deep, the checks after each, and the way back to a healed world."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from lwm_operator.api.status import Phase
from lwm_operator.api.training import Training
from lwm_operator.plan.plan import plan
from simulation.builders import stage, training
from simulation.convergence import heal, look_twice
from simulation.moves import Move, make
from simulation.operator_passes import Operators
from simulation.sampling import script
from simulation.scenarios import Chance
from simulation.state import Planner

CPU = {"type": "cpu", "cpu": {"hosts": 2, "devicesPerHost": 4}}
SLICES = {"type": "tpu", "tpu": {"family": "v6e", "topology": "2x2", "slices": 2}}
"""Two hosts as well, each with a Job of its own."""

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
        image="trainer:good",
        checkpoint={"uri": "gs://lwm/runs", "everySteps": 5, "keep": keep},
        failurePolicy={"budgets": {"app": 1, "infra": 3, "hang": 1}, "onExhausted": exhausted, "onDivergence": {"maxRollbacks": 2}},
        execution={"placementTimeoutSeconds": 60, "queueName": queue},
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

LENGTH = 36
"""Moves of a history, about."""


class HistoryError(AssertionError):
    """A history in which a promise was broken, with all that it takes to see it again."""

    def __init__(self, seed: int | None, which: int, moves: list[Move], why: BaseException) -> None:
        super().__init__(f"seed {seed}: {type(why).__name__}: {why}\nreplay({which}, {moves!r})")
        self.moves, self.which, self.why = moves, which, why


def run(seed: int, planner: Planner = plan) -> Counter[str]:
    """One history. Returns how often what was reached. Raises HistoryError."""
    chance = Chance(seed)
    which = chance.randrange(len(TRAININGS))
    world = Operators(training=TRAININGS[which], planner=planner)
    moves: list[Move] = []
    try:
        while len(moves) < LENGTH:
            for move in script(chance, world):
                moves.append(move)
                one(world, move)
        end(world)
    except Exception as error:
        raise HistoryError(seed, which, moves, error) from error
    return world.reached


def replay(which: int, moves: Iterable[Move], planner: Planner = plan) -> Operators:
    """These moves, with all checks."""
    world, done = Operators(training=TRAININGS[which], planner=planner), []
    try:
        for move in moves:
            done.append(move)
            one(world, move)
        end(world)
    except Exception as error:
        raise HistoryError(None, which, done, error) from error
    return world


def one(world: Operators, move: Move) -> None:
    if move[0] == "look twice":
        look_twice(world)
    else:
        make(world, move)


def end(world: Operators) -> None:
    """Whatever happened: in a healed world the training completes, and then nothing is left to do."""
    look_twice(world)
    heal(world)
    decided = look_twice(world)
    assert decided.status.phase == Phase.COMPLETE
