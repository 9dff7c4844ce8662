"""400 histories by hypothesis, which shrinks a violation of an invariant to its shortest list of moves, to be replayed as a test."""

from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwm_operator.api.attempt_status import FailureClass
from lwm_operator.plan.failure.failure_classes import RULES
from lwm_operator.plan.plan import plan
from simulation.histories import TRAININGS, HistoryError, replay
from simulation.moves import MOVES, Move
from simulation.scenarios import CODES, DISRUPTED, JUMPS, PASSES, PREPARING, REJECTED, WAITS, WORKER_CODES
from simulation.simulation import Simulation
from simulation.version_skew import Skew

HOSTS, TRUTHS = (0, 1), (True, False)

ARGUMENTS: dict[str, tuple[tuple[Any, ...], ...]] = {
    "crash": ((0, 1, 2),),
    "time out": ((0, 1, 2), TRUTHS),
    "pause": ((0, 1, 2),),
    "wait": (WAITS,),
    "set clock": (JUMPS,),
    "enter phase": (PREPARING,),
    "train": ((1, 5, 100), TRUTHS),
    "train zombies": ((5,),),
    "fail": (HOSTS, tuple(sorted(set(CODES))), ("message", "long", "mute")),
    "oom": (HOSTS,),
    "evict by over-use": (HOSTS,),
    "device fault": (HOSTS,),
    "reboot": (HOSTS, TRUTHS),
    "start error": (HOSTS,),
    "reclaim node": (HOSTS,),
    "watchdogs": ((None, 0, 1),),
    "reject": (HOSTS, tuple(REJECTED)),
    "lose peers": ((79, 134),),
    "delete pod": (HOSTS,),
    "force delete pod": (HOSTS,),
    "evict": (HOSTS, tuple(sorted(set(DISRUPTED)))),
    "delete companion": (("lease", "other"),),
    "drain": (HOSTS,),
    "unready": (HOSTS, ("dead", "cut", "alive")),
    "forget node": (HOSTS,),
    "capacity": ((None, 0, 1),),
    "quota": (TRUTHS,),
    "releases": ((None, 0, 1),),
    "lag": (TRUTHS,),
    "hold up": (HOSTS, ("ErrImagePull", "CreateContainerError", "SchedulingGated", "Odd")),
    "suspend": (TRUTHS,),
    "work": ((1, 100),),
    "fail worker": (HOSTS, tuple(sorted(set(WORKER_CODES)))),
    "hold up worker": (HOSTS, ("ErrImagePull", "SchedulingGated")),
    "budgets": ((0, 1, 2), (0, 3), (0, 1), (2, 5)),
    "divergence": (("Rollback", "Pause", "Fail"), (0, 1, 2)),
    "exhausted": (("Pause", "Fail"),),
    "history": ((0, 1, 2),),
    "avoid": ((0, 1, 2),),
    "image": (TRUTHS,),
    "ttl": ((None, 0, 60),),
    "skew": (get_args(Skew),),
    "sidecars": (TRUTHS,),
    "apply changed": ((2, 7),),
}
"""What each move may be given; the others take nothing."""

ALL: list[Move] = [(name, *given) for name in [*MOVES, "check rest"] for given in product(*ARGUMENTS.get(name, ()))]

QUEUED = next(which for which, training in enumerate(TRAININGS) if training.spec.execution.queue_name)
PREPARED = next(which for which, training in enumerate(TRAININGS) if any(each.preparation for each in training.spec.datasets))

PREPARE: list[Move] = [("admit",), ("work", 100), ("reconcile",)]
START: list[Move] = [("start",), ("reconcile",)]
"""What an ADVANCE is shrunk to."""
ADVANCE: list[Move] = [("admit",), ("start",), ("reconcile",), ("train", 5, True), ("reconcile",)]
RECOVER: list[Move] = [("sync jobs",), ("reconcile",), ("settle",), ("reconcile",), ("wait", 400.0), ("reconcile",)]

PARTS = st.one_of(  # a violation is shrunk towards the first of them
    st.builds(lambda move: [move], st.sampled_from(ALL)),
    st.builds(lambda move: [move, ("reconcile",)], st.sampled_from(ALL)),
    st.just(START),
    st.just(ADVANCE),
    st.just(RECOVER),
)
HISTORIES = st.lists(PARTS, min_size=1, max_size=24).map(lambda parts: [move for part in parts for move in part])


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(which=st.integers(0, len(TRAININGS) - 1), history=HISTORIES)
def test_any_history_keeps_the_invariants(which: int, history: list[Move]) -> None:
    replay(which, history)


def test_a_violation_is_shrunk_to_a_few_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, FailureClass.DISRUPTION, replace(RULES[FailureClass.DISRUPTION], budget="infra"))

    @settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(which=st.integers(0, len(TRAININGS) - 1), history=HISTORIES)
    def find(which: int, history: list[Move]) -> None:
        replay(which, history)

    with pytest.raises(HistoryError) as violation:
        find()
    assert len(violation.value.moves) <= 6, violation.value.moves


def test_every_move_has_a_name_and_all_of_them_are_tried() -> None:
    assert set(ARGUMENTS) <= set(MOVES)
    assert set(PASSES) <= {*MOVES, "check rest"}
    tried = (0, QUEUED, PREPARED, PREPARED + 1)
    named = set[str]()
    for number, move in enumerate(ALL):
        # Each name in every training, all its arguments in one of them.
        for which in (tried[number % len(tried)],) if move[0] in named else tried:
            replay(which, [("reconcile",), *PREPARE, *ADVANCE, move, ("reconcile",)])
        named.add(move[0])


def test_nothing_in_a_plan_is_left_to_chance() -> None:
    simulation = Simulation(TRAININGS[0])
    assert len({repr(plan(simulation.training, simulation.observed(), simulation.now)) for _ in range(5)}) == 1
