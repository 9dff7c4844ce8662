"""Retry budgets: each failure class has a budget per stage, which every new checkpoint refills. No retry is without a limit."""

from lwm_operator.api.attempt_status import Attempt, FailureClass, RootCause
from lwm_operator.api.failure_policy import FailurePolicy
from lwm_operator.api.gate import Gate
from lwm_operator.api.stage_status import BudgetsUsed, GateState, StageState, StageStatus
from lwm_operator.plan.failure.data_loss import MAX_DATA_LOSSES, count_data_losses, is_data_loss
from lwm_operator.plan.failure.failure_classes import RULES
from lwm_trainer.config import ExitCode

MAX_STORAGE_DENIALS = 2
"""A permission takes a moment to take effect everywhere, so an attempt that the storage denies is retried once."""


def charge(entry: StageStatus, cause: RootCause) -> StageStatus:
    """The entry after a failed attempt: counted by class, and charged to the budget as far as commits have refilled it."""
    counter = cause.failure_class.value.lower()
    failures = entry.failures.model_copy(update={counter: getattr(entry.failures, counter) + 1})
    return entry.model_copy(update={"failures": failures, "budgets_used": _spend(refill(entry), cause.failure_class)})


def refill(entry: StageStatus) -> BudgetsUsed:
    """What is spent now: only rollbacks when a commit is newer than the last charge."""
    if entry.committed_step <= entry.budgets_used.committed_step:
        return entry.budgets_used
    return BudgetsUsed(rollbacks=entry.budgets_used.rollbacks, committed_step=entry.committed_step)


def _spend(spent: BudgetsUsed, failure_class: FailureClass) -> BudgetsUsed:
    budget = RULES[failure_class].budget
    return spent if budget is None else spent.model_copy(update={budget: getattr(spent, budget) + 1})


def reset_budgets(entry: StageStatus) -> StageStatus:
    """The entry after a user raised spec.resume: full budgets, and a stopped stage runs again. A gate that failed is waived."""
    state = StageState.RUNNING if entry.state in (StageState.PAUSED, StageState.FAILED) else entry.state
    gate = GateState.WAIVED if entry.gate == GateState.FAILED else entry.gate
    return entry.model_copy(update={"state": state, "gate": gate, "budgets_used": BudgetsUsed(committed_step=entry.committed_step)})


def stop_after_failure(entry: StageStatus, policy: FailurePolicy, gate: Gate | None = None) -> tuple[StageState, str] | None:
    """The state in which the stage stops after its newest attempt failed and was charged, with the explanation; None: it is retried.

    `gate`: that of the stage in the spec.
    """
    cause = entry.recent_attempts[0].root_cause
    if cause is None:
        return None
    rule = RULES[cause.failure_class]
    if cause.failure_class == FailureClass.GATE and gate is not None and gate.on_failure == "Fail":
        return StageState.FAILED, f"{rule.meaning}, and gate.onFailure is Fail"
    if rule.stops is not None:
        return rule.stops, rule.meaning
    exhausted = StageState.PAUSED if policy.on_exhausted == "Pause" else StageState.FAILED
    match cause.failure_class:
        case FailureClass.DIVERGED if policy.on_divergence.action != "Rollback":
            state = StageState.PAUSED if policy.on_divergence.action == "Pause" else StageState.FAILED
            return state, f"failurePolicy.onDivergence.action is {policy.on_divergence.action}"
        case FailureClass.DIVERGED:
            limit = policy.on_divergence.max_rollbacks
            explanation = f"all {limit} of failurePolicy.onDivergence.maxRollbacks are used"
            return (exhausted, explanation) if entry.budgets_used.rollbacks > limit else None
        case FailureClass.INFRA if count_storage_denials(entry.recent_attempts) >= MAX_STORAGE_DENIALS:
            return StageState.FAILED, f"the storage denied access to {MAX_STORAGE_DENIALS} attempts in a row"
        case FailureClass.INFRA if is_data_loss(cause) and (losses := count_data_losses(entry)) >= MAX_DATA_LOSSES:
            return StageState.FAILED, f"{losses} attempts without a new checkpoint did not find it, although it was prepared again"
        case FailureClass.DISRUPTION:
            # The training itself is not at fault, so it never fails for this.
            failures, limit = entry.budgets_used.disruption, policy.budgets.disruption
            explanation = f"{failures} disruptions without a new checkpoint, failurePolicy.budgets.disruption is {limit}"
            return (StageState.PAUSED, explanation) if failures > limit else None
        case _ if rule.budget is not None:
            failures, limit = getattr(entry.budgets_used, rule.budget), getattr(policy.budgets, rule.budget)
            explanation = (
                f"{failures} failures of class {cause.failure_class} without a new checkpoint,"
                f" failurePolicy.budgets.{rule.budget} is {limit}"
            )
            return (exhausted, explanation) if failures > limit else None
        case _:
            return None


def count_storage_denials(attempts: tuple[Attempt, ...]) -> int:
    """How many of the newest attempts (newest first) the storage denied access to."""
    count = 0
    for attempt in attempts:
        if attempt.root_cause is None or attempt.root_cause.exit_code != ExitCode.STORAGE_DENIED:
            break
        count += 1
    return count
