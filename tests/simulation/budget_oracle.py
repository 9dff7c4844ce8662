"""The budgets once more, counted from what happened instead of carried along: for comparison with what status says is spent."""

from dataclasses import dataclass, field

from lwm_operator.api.failure_policy import FailurePolicy
from lwm_operator.api.status import Attempt, FailureClass, StageStatus

BUDGETS = {FailureClass.APP: "app", FailureClass.INFRA: "infra", FailureClass.HANG: "hang"}


@dataclass
class Recount:
    """Of one stage. `charges`: each failure since a human last said to go on, with the newest commit that there was then."""

    charges: list[tuple[int, FailureClass]] = field(default_factory=list)
    newest: int = 0
    """The newest commit that the stage has had, whatever was rolled back since."""

    def forgive(self, was: StageStatus) -> None:
        self.charges.clear()
        self.newest = was.committed_step

    def charge(self, was: StageStatus, now: StageStatus, attempt: Attempt, failure_class: FailureClass) -> None:
        self.newest = max(self.newest, was.committed_step, now.committed_step, attempt.from_step, attempt.committed_step)
        self.charges.append((self.newest, failure_class))

    def spent(self, failure_class: FailureClass) -> int:
        """Failures of the class since the newest commit; divergences since a human said to go on."""
        if failure_class == FailureClass.DIVERGED:
            return sum(of == failure_class for _, of in self.charges)
        return sum(of == failure_class and at == self.charges[-1][0] for at, of in self.charges)

    def exhausted(self, policy: FailurePolicy, failure_class: FailureClass) -> str | None:
        """Why the stage may not go on after a failure of this class; None when it may."""
        if failure_class in (FailureClass.PERMANENT, FailureClass.GATE):
            return f"{failure_class} is for a human"
        most = policy.on_divergence.max_rollbacks if failure_class == FailureClass.DIVERGED else None
        if failure_class in BUDGETS:
            most = getattr(policy.budgets, BUDGETS[failure_class])
        had = self.spent(failure_class)
        return f"{had} failures of class {failure_class}, the budget is {most}" if most is not None and had > most else None

    def compare(self, now: StageStatus) -> None:
        """Raises AssertionError when status says something else."""
        said = {
            "app": now.budgets_used.app,
            "infra": now.budgets_used.infra,
            "hang": now.budgets_used.hang,
            "rollbacks": now.budgets_used.rollbacks,
        }
        counted = {name: self.spent(of) for of, name in {**BUDGETS, FailureClass.DIVERGED: "rollbacks"}.items()}
        assert min(said.values()) >= 0, f"stage {now.name}: spent is negative: {said}"
        assert said == counted, f"stage {now.name}: status says {said} are spent, counted are {counted}: {self.charges}"
