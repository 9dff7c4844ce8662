"""An oracle for the retry budgets: it counts failures from the history, for comparison with what the status says is spent."""

from dataclasses import dataclass, field

from lwm_operator.api.attempt_status import Attempt, FailureClass, RootCause
from lwm_operator.api.failure_policy import FailurePolicy
from lwm_operator.api.stage_status import StageStatus

BUDGETS = {FailureClass.APP: "app", FailureClass.INFRA: "infra", FailureClass.HANG: "hang", FailureClass.DISRUPTION: "disruption"}

DATA_LOSSES = 3


@dataclass
class BudgetOracle:
    """The failures of one stage. `charges` holds each failure since the last resume, with the newest commit at that time."""

    charges: list[tuple[int, FailureClass]] = field(default_factory=list)
    data_losses: list[int] = field(default_factory=list)
    """The newest commit at each loss of a prepared data set since the last resume."""
    newest: int = 0
    """The newest commit that the stage has ever had, even if it was rolled back."""

    def reset(self, was: StageStatus) -> None:
        self.charges.clear()
        self.data_losses.clear()
        self.newest = was.committed_step

    def charge(self, was: StageStatus, now: StageStatus, attempt: Attempt, cause: RootCause) -> None:
        self.newest = max(self.newest, was.committed_step, now.committed_step, attempt.from_step, attempt.committed_step)
        self.charges.append((self.newest, cause.failure_class))
        if cause.reason == "DataMissing":
            self.data_losses.append(self.newest)

    def spent(self, failure_class: FailureClass) -> int:
        """Return the failures of the class since the newest commit; of divergences, those since the last resume."""
        if failure_class == FailureClass.DIVERGED:
            return sum(of == failure_class for _, of in self.charges)
        return sum(of == failure_class and at == self.charges[-1][0] for at, of in self.charges)

    def exhausted(self, policy: FailurePolicy, cause: RootCause) -> str | None:
        """Return why the stage may not go on after a failure of this cause; None when it may."""
        failure_class = cause.failure_class
        if cause.reason == "DataMissing" and self.data_losses.count(self.newest) >= DATA_LOSSES:
            return f"a data set was gone {DATA_LOSSES} times"
        if failure_class in (FailureClass.PERMANENT, FailureClass.GATE):
            return f"{failure_class} is for a human"
        limit = policy.on_divergence.max_rollbacks if failure_class == FailureClass.DIVERGED else None
        if failure_class in BUDGETS:
            limit = getattr(policy.budgets, BUDGETS[failure_class])
        spent = self.spent(failure_class)
        return f"{spent} failures of class {failure_class}, the budget is {limit}" if limit is not None and spent > limit else None

    def compare(self, now: StageStatus) -> None:
        """Raise AssertionError when the status says that something else is spent."""
        reported = {
            "app": now.budgets_used.app,
            "infra": now.budgets_used.infra,
            "hang": now.budgets_used.hang,
            "disruption": now.budgets_used.disruption,
            "rollbacks": now.budgets_used.rollbacks,
        }
        counted = {name: self.spent(of) for of, name in {**BUDGETS, FailureClass.DIVERGED: "rollbacks"}.items()}
        assert min(reported.values()) >= 0, f"stage {now.name}: spent is negative: {reported}"
        assert reported == counted, f"stage {now.name}: status says {reported} are spent, counted are {counted}: {self.charges}"
