import re
from pathlib import Path

import pytest

from lwm_operator.api.attempt_status import FailureClass
from lwm_operator.api.failure_policy import Budgets
from lwm_operator.api.stage_status import BudgetsUsed, Failures, StageState
from lwm_operator.plan.failure.failure_classes import EXIT_CODES, POD_REASONS, RULES
from lwm_trainer.config import ExitCode


def test_every_class_has_a_rule_and_a_counter() -> None:
    assert set(RULES) == set(FailureClass)
    assert {failure_class.value.lower() for failure_class in FailureClass} == set(Failures.model_fields)


def test_every_class_has_a_row_in_the_guide() -> None:
    guide = (Path(__file__).resolve().parents[5] / "docs" / "guides" / "failures.md").read_text()
    table = guide.partition("## Classes and budgets")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"(?m)^\| ([A-Z]\w+) \|", table)) == sorted(FailureClass)


def test_a_budget_is_a_field_of_status_and_of_the_policy_but_for_rollbacks() -> None:
    budgets = {rule.budget for rule in RULES.values() if rule.budget is not None}
    assert budgets == set(BudgetsUsed.model_fields) - {"committed_step"}
    assert budgets - {"rollbacks"} == set(Budgets.model_fields)


@pytest.mark.parametrize(("failure_class", "state"), [(FailureClass.PERMANENT, StageState.FAILED), (FailureClass.GATE, StageState.PAUSED)])
def test_classes_that_stop_a_stage_at_once_have_no_budget(failure_class: FailureClass, state: StageState) -> None:
    assert (RULES[failure_class].stops, RULES[failure_class].budget) == (state, None)


def test_nothing_that_ends_a_pod_is_of_a_class_without_a_rule() -> None:
    assert {failure_class for failure_class, _ in EXIT_CODES.values()} | set(POD_REASONS.values()) <= set(RULES)


def test_exit_code_reasons_are_the_names_of_the_codes() -> None:
    by_name = {"".join(part.capitalize() for part in code.name.split("_")): code for code in ExitCode if code in EXIT_CODES}
    assert {str(EXIT_CODES[code][1]): code for code in by_name.values()} == by_name
