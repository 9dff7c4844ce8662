from typing import Any

from lwm_operator.api.status import Condition, Phase
from lwm_operator.plan.status.conditions import conditions
from simulation.builders import NOW, later


def build_conditions(old: tuple[Condition, ...] = (), **changes: Any) -> dict[str, Condition]:
    arguments: dict[str, Any] = {
        "spec_errors": (),
        "warnings": (),
        "phase": Phase.RUNNING,
        "reason": "Training",
        "message": "m",
        "generation": 3,
        "now": NOW,
        **changes,
    }
    return {condition.type: condition for condition in conditions(old, **arguments)}


def test_a_running_training_progresses() -> None:
    by_type = build_conditions()
    assert {kind: condition.status for kind, condition in by_type.items()} == {
        "Accepted": "True",
        "Progressing": "True",
        "Complete": "False",
        "Failed": "False",
        "Suspended": "False",
        "Stalled": "False",
    }
    assert {condition.observed_generation for condition in by_type.values()} == {3}


def test_a_transition_time_moves_only_with_its_status() -> None:
    first = build_conditions()
    again = build_conditions(tuple(first.values()), now=later(60), phase=Phase.COMPLETE, reason="Complete")
    assert again["Accepted"].last_transition_time == first["Accepted"].last_transition_time
    assert again["Complete"].last_transition_time == "2026-01-01T12:01:00Z"
    assert again["Complete"].status == "True"
    assert again["Progressing"].status == "False"


def test_a_hold_up_is_no_progress_and_keeps_its_reason() -> None:
    by_type = build_conditions(phase=Phase.STARTING, reason="Unschedulable", message="no node")
    progressing = by_type["Progressing"]
    assert (progressing.status, progressing.reason, progressing.message) == ("False", "Unschedulable", "no node")


def test_refusal_names_all_problems() -> None:
    by_type = build_conditions(spec_errors=("a: b", "c: d"))
    assert (by_type["Accepted"].status, by_type["Accepted"].reason, by_type["Accepted"].message) == ("False", "InvalidSpec", "a: b; c: d")


def test_a_warning_is_accepteds_message_and_nobody_elses() -> None:
    by_type = build_conditions(warnings=("a: b", "c: d"))
    assert (by_type["Accepted"].status, by_type["Accepted"].message) == ("True", "warning: a: b; c: d")
    assert by_type["Progressing"].message == "m"


def test_refusal_comes_before_any_warning() -> None:
    by_type = build_conditions(spec_errors=("a: b",), warnings=("c: d",))
    assert (by_type["Accepted"].status, by_type["Accepted"].message) == ("False", "a: b")
