"""After a divergence: go back past the newest commits, and past the data that led there, on a line of its own.

Later attempts take nothing that earlier ones committed after the rollback's step, so no later "newest commit" can bring the divergence
back. PaLM (Chowdhery et al. 2022, section 5.1) restarted about 100 steps before a spike and skipped some 200 to 500 batches.
"""

from lwm_operator.api.failure_policy import OnDivergence
from lwm_operator.api.status import ROLLBACKS, Attempt, FailureClass, StageStatus
from lwm_trainer.config import Rollback


def roll_back_divergence(entry: StageStatus, save_interval_steps: int, policy: OnDivergence) -> StageStatus:
    """The entry before its next attempt: with a rollback when the newest attempt diverged, else as it is."""
    diverged = entry.recent_attempts[0] if entry.recent_attempts else None
    if diverged is None or not _has_diverged(diverged) or len(entry.rollbacks) >= ROLLBACKS:
        return entry
    step = max(0, entry.committed_step - policy.discard_checkpoints * save_interval_steps)
    passed = diverged.step + 1 - step
    rollback = Rollback(attempt=entry.attempts + 1, step=step, skip_batches=max(0, passed) + policy.skip_batches)
    # The budgets still remember the commits that were passed over: making them again is no progress.
    return entry.model_copy(update={"rollbacks": (*entry.rollbacks, rollback), "committed_step": step, "step": step})


def _has_diverged(attempt: Attempt) -> bool:
    return attempt.root_cause is not None and attempt.root_cause.failure_class == FailureClass.DIVERGED
