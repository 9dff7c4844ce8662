"""The data position in a checkpoint's manifest, over rollbacks."""

from lwm_trainer.checkpoint.manifest import make_manifest
from lwm_trainer.config import Rollback, Start
from support.builders import a_run


def position(step: int, *rollbacks: Rollback) -> int:
    run = a_run(start=Start(rollbacks=rollbacks))
    return make_manifest(run, run.mesh, "", step).next_row


def test_the_position_is_the_row_after_the_last_one_drawn() -> None:
    rows = a_run().rows
    assert [position(step) for step in (0, 1, 7)] == [0, rows, 7 * rows]
    rollback = Rollback(attempt=2, step=90, skip_batches=10)
    assert position(90, rollback) == position(90) == 90 * rows, "the commit that the new line begins with is the old line's, unchanged"
    assert position(91, rollback) == 101 * rows
