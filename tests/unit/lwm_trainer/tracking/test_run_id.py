"""Attempts share a curve, rollbacks begin another."""

from lwm_trainer.tracking.run_id import run_id
from support.builders import a_run


def test_all_attempts_of_a_stage_have_one_curve_until_a_rollback() -> None:
    checkpoint = {"root": "gs://lwm/runs/default/bible-64e482a9", "save_interval_steps": 1}
    first, third = (a_run(attempt=attempt, stage="ctx4k", stage_index=1, checkpoint=checkpoint) for attempt in (1, 3))
    assert run_id(first) == run_id(third) == "bible-64e482a9-s2-ctx4k"
    rollback = {"attempt": 4, "step": 1, "skip_batches": 2}
    after = a_run(attempt=4, stage="ctx4k", stage_index=1, checkpoint=checkpoint, start={"rollbacks": [rollback]})
    assert run_id(after) == "bible-64e482a9-s2-ctx4k-r1"
