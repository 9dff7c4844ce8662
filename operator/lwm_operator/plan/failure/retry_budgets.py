"""What failures cost. Each class has a budget a stage, refilled by every new commit; what nobody could help is never charged."""

from lwm_operator.api.failure_policy import FailurePolicy
from lwm_operator.api.status import Attempt, BudgetsUsed, FailureClass, RootCause, StageState, StageStatus
from lwm_trainer.config import ExitCode

CHARGED = {FailureClass.APP: "app", FailureClass.INFRA: "infra", FailureClass.HANG: "hang", FailureClass.DIVERGED: "rollbacks"}
"""The budget of each class that has one."""

DENIED_TRIES = 2
"""Rights take a moment to arrive everywhere: storage that refuses is asked once more."""


def charge(entry: StageStatus, cause: RootCause) -> StageStatus:
    """The entry once an attempt has failed: counted by class, and charged to the budgets that commits since then have refilled."""
    name = cause.failure_class.value.lower()
    failures = entry.failures.model_copy(update={name: getattr(entry.failures, name) + 1})
    return entry.model_copy(update={"failures": failures, "budgets_used": _spend(refill(entry), cause.failure_class)})


def refill(entry: StageStatus) -> BudgetsUsed:
    """What is spent now: nothing but rollbacks when a commit is newer than the last charge."""
    if entry.committed_step <= entry.budgets_used.committed_step:
        return entry.budgets_used
    return BudgetsUsed(rollbacks=entry.budgets_used.rollbacks, committed_step=entry.committed_step)


def _spend(spent: BudgetsUsed, failure_class: FailureClass) -> BudgetsUsed:
    budget = CHARGED.get(failure_class)
    return spent if budget is None else spent.model_copy(update={budget: getattr(spent, budget) + 1})


def reset_budgets(entry: StageStatus) -> StageStatus:
    """A human said to go on: full budgets, and the stage is on again."""
    state = StageState.RUNNING if entry.state in (StageState.PAUSED, StageState.FAILED) else entry.state
    return entry.model_copy(update={"state": state, "budgets_used": BudgetsUsed(committed_step=entry.committed_step)})


def stop_after_failure(entry: StageStatus, policy: FailurePolicy) -> tuple[StageState, str] | None:
    """Whether the stage stops after its newest attempt has failed (and was charged): the state, and why. None: another attempt follows."""
    cause = entry.recent_attempts[0].root_cause
    if cause is None:
        return None
    exhausted = StageState.PAUSED if policy.on_exhausted == "Pause" else StageState.FAILED
    match cause.failure_class:
        case FailureClass.PERMANENT:
            return StageState.FAILED, "another attempt would end the same way"
        case FailureClass.GATE:
            return StageState.PAUSED, "the stage's gate was not met"
        case FailureClass.DIVERGED if policy.on_divergence.action != "Rollback":
            state = StageState.PAUSED if policy.on_divergence.action == "Pause" else StageState.FAILED
            return state, f"failurePolicy.onDivergence.action is {policy.on_divergence.action}"
        case FailureClass.DIVERGED:
            most = policy.on_divergence.max_rollbacks
            return (
                (exhausted, f"all {most} of failurePolicy.onDivergence.maxRollbacks are used")
                if entry.budgets_used.rollbacks > most
                else None
            )
        case FailureClass.INFRA if count_storage_denials(entry.recent_attempts) >= DENIED_TRIES:
            return StageState.FAILED, f"the storage refused {DENIED_TRIES} attempts in a row"
        case FailureClass.APP | FailureClass.INFRA | FailureClass.HANG:
            budget = CHARGED[cause.failure_class]
            had, most = getattr(entry.budgets_used, budget), getattr(policy.budgets, budget)
            said = f"{had} failures of class {cause.failure_class} without a new commit, failurePolicy.budgets.{budget} is {most}"
            return (exhausted, said) if had > most else None
        case FailureClass.DISRUPTION:
            return None


def count_storage_denials(attempts: tuple[Attempt, ...]) -> int:
    """How many of the newest attempts (newest first) the storage refused."""
    count = 0
    for attempt in attempts:
        if attempt.root_cause is None or attempt.root_cause.exit_code != ExitCode.STORAGE_DENIED:
            break
        count += 1
    return count
