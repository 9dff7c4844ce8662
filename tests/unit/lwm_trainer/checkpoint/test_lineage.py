"""The line of record over attempts' folders; a folder with Orbax's commit marks is made by hand."""

from pathlib import Path
from typing import Any

import pytest

from lwm_trainer.checkpoint.lineage import Origin, agree_on_origin, find_origin
from lwm_trainer.config import ExitCode, Rollback, Start
from lwm_trainer.runtime.errors import AttemptReusedError, CheckpointMismatchError
from lwm_trainer.runtime.exit_classification import classify_exception
from support.builders import a_run

FINAL = "/runs/s1-first/a1/60"


def commit(attempt: Path, *steps: int) -> None:
    for step in steps:
        (attempt / str(step)).mkdir(parents=True)
        (attempt / str(step) / "commit_success.txt").write_text("")


def write_origin(attempt: Path, checkpoint: Path, step: int) -> Origin:
    attempt.mkdir(parents=True, exist_ok=True)
    written = Origin(kind="attempt", checkpoint=str(checkpoint), step=step)
    (attempt / "origin.json").write_text(written.model_dump_json(by_alias=True))
    return written


def origin(root: Path, *earlier: int, stage: str | None = FINAL, index: int = 0, **start: Any) -> Origin:
    start = {"earlier_attempts": earlier, "stage_checkpoint": stage, **start}
    checkpoint = {"root": str(root), "save_interval_steps": 1}
    return find_origin(a_run(stage_index=index, stage_count=2, checkpoint=checkpoint, start=Start(**start)))


def test_a_second_gang_of_one_attempt_leaves_as_if_told_to(tmp_path: Path) -> None:
    """Kubernetes makes the pods of a suspended Job anew when it is resumed; their folder would be written by two lives."""
    run = a_run(checkpoint={"root": str(tmp_path), "save_interval_steps": 1})
    assert agree_on_origin(run) == agree_on_origin(run) == Origin(kind="seed"), "what has committed nothing may begin again"
    commit(tmp_path / "s1-s" / "a1", 10)
    with pytest.raises(AttemptReusedError, match="attempt 1 has committed step 10 before") as raised:
        agree_on_origin(run)
    assert classify_exception(raised.value, gang=True).code == ExitCode.SAVED_ON_REQUEST
    assert not classify_exception(raised.value, gang=True).unexpected


def test_without_commits_it_is_the_stage_before_or_the_seed(tmp_path: Path) -> None:
    assert origin(tmp_path) == Origin(kind="stage", checkpoint=FINAL)
    assert origin(tmp_path, 2, 1, stage=None) == Origin(kind="seed")


def test_the_newest_commit_of_the_newest_attempt_counts(tmp_path: Path) -> None:
    stage = tmp_path / "s1-s"
    commit(stage / "a1", 10, 20)
    commit(stage / "a2", 15)
    (stage / "a2" / "30.orbax-checkpoint-tmp").mkdir()
    assert origin(tmp_path, 2, 1) == Origin(kind="attempt", checkpoint=str(stage / "a2" / "15"), step=15)


def test_an_attempt_that_only_wrote_its_origin_hands_on_that_very_step(tmp_path: Path) -> None:
    """Attempt 1 is a zombie that commits step 20 after attempt 2 has started from its step 10: step 20 is on no line."""
    stage = tmp_path / "s1-s"
    commit(stage / "a1", 10, 20)
    written = write_origin(stage / "a2", stage / "a1" / "10", 10)
    assert origin(tmp_path, 2, 1) == written


def test_an_attempt_that_wrote_nothing_is_passed_over(tmp_path: Path) -> None:
    stage = tmp_path / "s1-s"
    commit(stage / "a1", 10)
    assert origin(tmp_path, 2, 1).step == 10


def test_an_origin_that_was_pruned_meanwhile_is_passed_over(tmp_path: Path) -> None:
    """Attempt 2 outlived its node and pruned attempt 1, from which attempt 3 had started."""
    stage = tmp_path / "s1-s"
    commit(stage / "a2", 20)
    write_origin(stage / "a3", stage / "a1" / "10", 10)
    assert origin(tmp_path, 3, 2, 1).checkpoint == str(stage / "a2" / "20")


def test_after_a_rollback_later_commits_of_earlier_attempts_do_not_count(tmp_path: Path) -> None:
    stage = tmp_path / "s1-s"
    commit(stage / "a1", 80, 90, 100)
    to_90 = (Rollback(attempt=2, step=90),)
    assert origin(tmp_path, 1, rollbacks=to_90) == Origin(kind="attempt", checkpoint=str(stage / "a1" / "90"), step=90)
    assert origin(tmp_path, 1, rollbacks=(Rollback(attempt=2, step=70),)) == Origin(kind="stage", checkpoint=FINAL)
    commit(stage / "a2", 110)
    assert origin(tmp_path, 2, 1, rollbacks=to_90).step == 110, "attempt 2 is the new line itself"


def test_an_origin_beyond_the_rollback_does_not_count_either(tmp_path: Path) -> None:
    """Attempt 2 began at step 100 of attempt 1 and diverged before its first commit."""
    stage = tmp_path / "s1-s"
    commit(stage / "a1", 80, 90, 100)
    written = write_origin(stage / "a2", stage / "a1" / "100", 100)
    assert origin(tmp_path, 2, 1, rollbacks=(Rollback(attempt=3, step=100),)) == written
    assert origin(tmp_path, 2, 1, rollbacks=(Rollback(attempt=3, step=90),)).checkpoint == str(stage / "a1" / "90")


def test_of_two_rollbacks_the_one_further_back_holds_for_the_attempts_before_both(tmp_path: Path) -> None:
    """Attempt 3 is the line from step 90 on and attempt 5 the one from step 95 on: of attempt 1, what is beyond 90 stays off."""
    stage = tmp_path / "s1-s"
    commit(stage / "a1", 80, 95)
    write_origin(stage / "a3", stage / "a1" / "80", 80)
    rollbacks = (Rollback(attempt=3, step=90), Rollback(attempt=5, step=95))
    assert origin(tmp_path, 4, 3, 2, 1, rollbacks=rollbacks).step == 80
    commit(stage / "a3", 92, 96)
    assert origin(tmp_path, 4, 3, 2, 1, rollbacks=rollbacks).step == 92


def test_a_checkpoint_that_the_status_names_and_nobody_has_is_an_error_and_no_seed(tmp_path: Path) -> None:
    (tmp_path / "s1-s" / "a1").mkdir(parents=True)
    with pytest.raises(CheckpointMismatchError, match="status names a checkpoint of step 30, but no attempt has one there"):
        origin(tmp_path, 2, 1, stage=None, committed_step=30)
    commit(tmp_path / "s1-s" / "a1", 20)
    assert origin(tmp_path, 2, 1, committed_step=30).step == 20, "the storage decides"
    rolled_back = (Rollback(attempt=2, step=10),)
    assert origin(tmp_path, 1, stage=None, committed_step=10, rollbacks=rolled_back) == Origin(kind="seed")


def test_a_later_stage_never_starts_from_the_seed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatchError, match=r"stage s has no checkpoint.*status.stages\[0\].finalCheckpoint"):
        origin(tmp_path, stage=None, index=1)
    commit(tmp_path / "s2-s" / "a1", 20)
    assert origin(tmp_path, 1, stage=None, index=1).step == 20


def test_a_run_is_continued_from_its_newest_commit_until_the_new_run_has_one(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    commit(old / "s1-s" / "a9", 20)
    commit(old / "s1-s" / "a10", 30)
    inherited = Origin(kind="attempt", checkpoint=str(old / "s1-s" / "a10" / "30"), step=30)
    assert origin(new, predecessor=str(old)) == inherited
    (new / "s1-s" / "a1").mkdir(parents=True)
    (new / "s1-s" / "a1" / "origin.json").write_text(Origin(kind="seed").model_dump_json())
    assert origin(new, 1, predecessor=str(old)) == inherited, "an attempt from before the field was set does not count"
    commit(new / "s1-s" / "a2", 40)
    assert origin(new, 2, 1, predecessor=str(old)).step == 40


def test_a_run_that_is_continued_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatchError, match=r"^spec.checkpoint.continueRun: .*/old: there is no checkpoint of stage s"):
        origin(tmp_path / "new", stage=None, predecessor=str(tmp_path / "old"))
    assert origin(tmp_path / "new", index=1, predecessor=str(tmp_path / "old")) == Origin(kind="stage", checkpoint=FINAL)


@pytest.mark.parametrize("kind", ["other"])
def test_an_unknown_kind_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="seed"):
        Origin.model_validate({"kind": kind})
