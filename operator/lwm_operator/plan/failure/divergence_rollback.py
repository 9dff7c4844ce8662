"""After a divergence the next attempt starts before the newest commits and skips the batches that led to the divergence.

Later attempts ignore everything that earlier ones committed after the rollback's step, so the divergence cannot return through a "newest
commit". PaLM (Chowdhery et al. 2022, section 5.1) restarted about 100 steps before a spike and skipped some 200 to 500 batches.
"""

from lwm_operator.api.attempt_status import Attempt, FailureClass
from lwm_operator.api.failure_policy import OnDivergence
from lwm_operator.api.stage_status import ROLLBACKS, StageStatus
from lwm_trainer.config import Rollback


def roll_back_divergence(entry: StageStatus, save_interval_steps: int, policy: OnDivergence) -> StageStatus:
    """The entry for the next attempt: with a rollback when the newest attempt diverged, else unchanged."""
    newest = entry.recent_attempts[0] if entry.recent_attempts else None
    if newest is None or not _has_diverged(newest) or len(entry.rollbacks) >= ROLLBACKS:
        return entry
    step = max(0, entry.committed_step - policy.discard_checkpoints * save_interval_steps)
    steps_lost = newest.step + 1 - step
    rollback = Rollback(attempt=entry.attempts + 1, step=step, skip_batches=max(0, steps_lost) + policy.skip_batches)
    # `budgets_used.committed_step` keeps the discarded commits: reaching them again is no progress.
    return entry.model_copy(update={"rollbacks": (*entry.rollbacks, rollback), "committed_step": step, "step": step})


def _has_diverged(attempt: Attempt) -> bool:
    return attempt.root_cause is not None and attempt.root_cause.failure_class == FailureClass.DIVERGED
