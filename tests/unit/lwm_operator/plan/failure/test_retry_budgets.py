from typing import Any

import pytest

from lwm_operator.api.attempt_status import FailureClass, RootCause
from lwm_operator.api.failure_policy import Budgets, FailurePolicy, OnDivergence
from lwm_operator.api.stage_status import BudgetsUsed, StageState, StageStatus
from lwm_operator.plan.failure.retry_budgets import charge, reset_budgets, stop_after_failure
from simulation.builders import cause, failed

APP, INFRA, HANG = (cause(each, "X") for each in (FailureClass.APP, FailureClass.INFRA, FailureClass.HANG))
DIVERGED = cause(FailureClass.DIVERGED, "Diverged", exit_code=80)


def after(*causes: RootCause, entry: StageStatus | None = None, committed: dict[int, int] | None = None) -> StageStatus:
    """The stage after these failures in a row; `committed`: the commit that the stage had before the failure of that number."""
    current = entry or StageStatus(name="a", state=StageState.RUNNING)
    for number, failure in enumerate(causes, start=1):
        attempts = (failed(number, why=failure), *current.recent_attempts)
        step = (committed or {}).get(number, current.committed_step)
        current = charge(current.model_copy(update={"recent_attempts": attempts, "committed_step": step}), failure)
    return current


def policy(**changes: Any) -> FailurePolicy:
    return FailurePolicy(budgets=Budgets(app=2, infra=3, hang=1), **changes)


@pytest.mark.parametrize(("failure", "allowed", "budget"), [(APP, 2, "app"), (INFRA, 3, "infra"), (HANG, 1, "hang")])
def test_a_budget_of_n_allows_n_failures(failure: RootCause, allowed: int, budget: str) -> None:
    assert stop_after_failure(after(*[failure] * allowed), policy()) is None
    stop = stop_after_failure(after(*[failure] * (allowed + 1)), policy())
    assert stop is not None
    assert stop[0] == StageState.PAUSED
    assert f"failurePolicy.budgets.{budget} is {allowed}" in stop[1]


def test_the_spec_says_whether_it_is_paused_or_failed() -> None:
    stop = stop_after_failure(after(APP, APP, APP), policy(on_exhausted="Fail"))
    assert stop is not None
    assert stop[0] == StageState.FAILED


def test_classes_do_not_share_a_budget() -> None:
    assert stop_after_failure(after(INFRA, INFRA, INFRA, APP, APP, HANG), policy()) is None


def test_a_new_commit_refills_all_budgets() -> None:
    entry = after(APP, APP, APP, committed={3: 10})
    assert entry.budgets_used == BudgetsUsed(app=1, committed_step=10)
    assert stop_after_failure(entry, policy()) is None
    assert entry.failures.app == 3, "what happened stays counted"
    again = after(APP, APP, entry=entry)
    assert stop_after_failure(again, policy()) is not None, "the same commit refills once"


@pytest.mark.parametrize("on_exhausted", ["Pause", "Fail"])
def test_disruptions_have_a_budget_of_their_own_that_pauses_and_never_fails_the_training(on_exhausted: Any) -> None:
    preempted = cause(FailureClass.DISRUPTION, "Preempted")
    entry = after(*[preempted] * 100)
    assert (entry.failures.disruption, entry.budgets_used) == (100, BudgetsUsed(disruption=100))
    assert stop_after_failure(entry, policy(on_exhausted=on_exhausted)) is None
    stop = stop_after_failure(after(preempted, entry=entry), policy(on_exhausted=on_exhausted))
    assert stop == (StageState.PAUSED, "101 disruptions without a new checkpoint, failurePolicy.budgets.disruption is 100")


def test_disruptions_with_a_new_commit_now_and_then_go_on_for_ever() -> None:
    preempted = cause(FailureClass.DISRUPTION, "Preempted")
    entry = after(*[preempted] * 500, committed={number: number for number in range(50, 501, 50)})
    assert (entry.failures.disruption, entry.budgets_used.disruption) == (500, 1)
    assert stop_after_failure(entry, policy()) is None


def test_a_permanent_failure_fails_at_once() -> None:
    stop = stop_after_failure(after(cause(FailureClass.PERMANENT, "BadData")), policy())
    assert stop is not None
    assert stop[0] == StageState.FAILED


def test_a_failed_gate_pauses_the_stage() -> None:
    stop = stop_after_failure(after(cause(FailureClass.GATE, "GateFailed")), policy())
    assert stop is not None
    assert stop[0] == StageState.PAUSED


def test_storage_that_denies_access_is_retried_once() -> None:
    denied = cause(FailureClass.INFRA, "BucketDenied", exit_code=77)
    assert stop_after_failure(after(denied), policy()) is None
    stop = stop_after_failure(after(denied, denied), policy())
    assert stop is not None
    assert stop[0] == StageState.FAILED
    assert stop_after_failure(after(denied, INFRA, denied), policy()) is None


@pytest.mark.parametrize(
    ("action", "rounds", "state"),
    [("Pause", 1, StageState.PAUSED), ("Fail", 1, StageState.FAILED), ("Rollback", 2, None), ("Rollback", 3, StageState.PAUSED)],
)
def test_a_divergence_ends_as_the_policy_says(action: Any, rounds: int, state: StageState | None) -> None:
    entry = after(*[DIVERGED] * rounds, committed={2: 10, 3: 20})
    stop = stop_after_failure(entry, policy(on_divergence=OnDivergence(action=action, max_rollbacks=2)))
    assert (stop and stop[0]) == state


def test_resuming_by_hand_resets_the_budgets_and_restarts_the_stage() -> None:
    entry = after(APP, APP, APP).model_copy(update={"state": StageState.PAUSED})
    assert (reset_budgets(entry).state, reset_budgets(entry).budgets_used.app) == (StageState.RUNNING, 0)
    fresh = StageStatus(name="b")
    assert reset_budgets(fresh).state == StageState.PENDING
