from typing import Any

from lwm_operator.api.status import Condition, Phase
from lwm_operator.plan.status.conditions import conditions
from simulation.builders import NOW, later


def made(old: tuple[Condition, ...] = (), **changes: Any) -> dict[str, Condition]:
    given: dict[str, Any] = {
        "spec_errors": (),
        "warnings": (),
        "phase": Phase.RUNNING,
        "reason": "Training",
        "message": "m",
        "generation": 3,
        "now": NOW,
        **changes,
    }
    return {condition.type: condition for condition in conditions(old, **given)}


def test_a_running_training_progresses() -> None:
    found = made()
    assert {kind: condition.status for kind, condition in found.items()} == {
        "Accepted": "True",
        "Progressing": "True",
        "Complete": "False",
        "Failed": "False",
        "Suspended": "False",
        "Stalled": "False",
    }
    assert {condition.observed_generation for condition in found.values()} == {3}


def test_a_transition_time_moves_only_with_its_status() -> None:
    first = made()
    again = made(tuple(first.values()), now=later(60), phase=Phase.COMPLETE, reason="Complete")
    assert again["Accepted"].last_transition_time == first["Accepted"].last_transition_time
    assert again["Complete"].last_transition_time == "2026-01-01T12:01:00Z"
    assert again["Complete"].status == "True"
    assert again["Progressing"].status == "False"


def test_a_hold_up_is_no_progress_and_keeps_its_reason() -> None:
    found = made(phase=Phase.STARTING, reason="Unschedulable", message="no node")
    assert (found["Progressing"].status, found["Progressing"].reason, found["Progressing"].message) == ("False", "Unschedulable", "no node")


def test_refusal_names_all_problems() -> None:
    found = made(spec_errors=("a: b", "c: d"))
    assert (found["Accepted"].status, found["Accepted"].reason, found["Accepted"].message) == ("False", "Refused", "a: b; c: d")


def test_a_warning_is_accepteds_message_and_nobody_elses() -> None:
    found = made(warnings=("a: b", "c: d"))
    assert (found["Accepted"].status, found["Accepted"].message) == ("True", "warning: a: b; c: d")
    assert found["Progressing"].message == "m"


def test_refusal_comes_before_any_warning() -> None:
    found = made(spec_errors=("a: b",), warnings=("c: d",))
    assert (found["Accepted"].status, found["Accepted"].message) == ("False", "a: b")
