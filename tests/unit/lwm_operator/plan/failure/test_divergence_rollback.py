from lwm_operator.api.attempt_status import FailureClass
from lwm_operator.api.failure_policy import OnDivergence
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.plan.failure.divergence_rollback import roll_back_divergence
from lwm_trainer.config import Rollback
from simulation.builders import cause, failed

DIVERGED = cause(FailureClass.DIVERGED, "Diverged")


def entry(step: int, committed: int, attempts: int = 2) -> StageStatus:
    return StageStatus(name="a", attempts=attempts, committed_step=committed, recent_attempts=(failed(attempts, step=step, why=DIVERGED),))


def test_the_newest_commit_is_discarded_and_the_data_up_to_the_divergence_skipped() -> None:
    entry_after = roll_back_divergence(entry(step=107, committed=100), 10, OnDivergence())
    assert entry_after.rollbacks == (Rollback(attempt=3, step=90, skip_batches=18),)
    assert entry_after.committed_step == 90
    assert 90 + 18 == 107 + 1, "step 90 computes with the batch after the one that diverged"


def test_more_batches_may_be_skipped_and_fewer_commits_discarded() -> None:
    entry_after = roll_back_divergence(entry(step=107, committed=100), 10, OnDivergence(discard_checkpoints=0, skip_batches=200))
    assert entry_after.rollbacks == (Rollback(attempt=3, step=100, skip_batches=208),)


def test_there_is_nothing_before_the_stages_start() -> None:
    assert roll_back_divergence(entry(step=4, committed=0), 10, OnDivergence()).rollbacks == (Rollback(attempt=3, step=0, skip_batches=5),)


def test_any_other_failure_changes_nothing() -> None:
    other = entry(step=107, committed=100).model_copy(update={"recent_attempts": (failed(2),)})
    assert roll_back_divergence(other, 10, OnDivergence()) == other
