"""The line of record over attempts' folders; a folder with Orbax's commit marks is made by hand."""

from pathlib import Path

import pytest

from lwm_trainer.config import Start
from lwm_trainer.origin import Origin, find_origin
from unit.builders import a_run

FINAL = "/runs/s1-first/a1/60"


def commit(attempt: Path, *steps: int) -> None:
    for step in steps:
        (attempt / str(step)).mkdir(parents=True)
        (attempt / str(step) / "commit_success.txt").write_text("")


def origin(root: Path, *earlier: int, stage: str | None = FINAL) -> Origin:
    start = Start(earlier_attempts=earlier, stage_checkpoint=stage)
    return find_origin(a_run(checkpoint={"root": str(root), "every_steps": 1}, start=start))


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
    written = Origin(kind="attempt", checkpoint=str(stage / "a1" / "10"), step=10)
    (stage / "a2").mkdir()
    (stage / "a2" / "origin.json").write_text(written.model_dump_json(by_alias=True))
    assert origin(tmp_path, 2, 1) == written


def test_an_attempt_that_wrote_nothing_is_passed_over(tmp_path: Path) -> None:
    stage = tmp_path / "s1-s"
    commit(stage / "a1", 10)
    assert origin(tmp_path, 2, 1).step == 10


def test_an_origin_that_was_pruned_meanwhile_is_passed_over(tmp_path: Path) -> None:
    """Attempt 2 outlived its node and pruned attempt 1, from which attempt 3 had started."""
    stage = tmp_path / "s1-s"
    commit(stage / "a2", 20)
    (stage / "a3").mkdir()
    written = Origin(kind="attempt", checkpoint=str(stage / "a1" / "10"), step=10)
    (stage / "a3" / "origin.json").write_text(written.model_dump_json(by_alias=True))
    assert origin(tmp_path, 3, 2, 1).checkpoint == str(stage / "a2" / "20")


@pytest.mark.parametrize("kind", ["other"])
def test_an_unknown_kind_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="seed"):
        Origin.model_validate({"kind": kind})
