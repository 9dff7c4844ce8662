"""What stays of earlier attempts' commits: enough for a rollback, and nothing that no one may start from."""

from pathlib import Path

from lwm_trainer.checkpoint.lineage import Origin, committed_steps
from lwm_trainer.checkpoint.retention import prune_earlier_attempts
from lwm_trainer.config import RunConfig, Start
from support.builders import a_run


def attempt(stage: Path, number: int, steps: list[int], origin: tuple[int, int] | None = None) -> None:
    """Attempt `number` with its commits and its origin, (attempt, step) or the seed."""
    for step in steps:
        (stage / f"a{number}" / str(step) / "params").mkdir(parents=True)
    (stage / f"a{number}").mkdir(exist_ok=True, parents=True)
    written = Origin(kind="attempt", checkpoint=f"{stage}/a{origin[0]}/{origin[1]}", step=origin[1]) if origin else Origin(kind="seed")
    (stage / f"a{number}" / "origin.json").write_text(written.model_dump_json(by_alias=True))


def run(root: Path, number: int, keep: int = 2, rollbacks: tuple[dict[str, int], ...] = ()) -> RunConfig:
    start = Start.model_validate({"earlier_attempts": tuple(range(number - 1, 0, -1)), "rollbacks": rollbacks})
    return a_run(checkpoint={"root": str(root), "save_interval_steps": 1, "max_to_keep": keep}, attempt=number, start=start)


def left(stage: Path) -> dict[str, list[int]]:
    return {path.name: committed_steps(str(path)) for path in sorted(stage.iterdir())}


def test_the_newest_on_the_line_stay_own_and_earlier_together(tmp_path: Path) -> None:
    stage = tmp_path / "s1-s"
    attempt(stage, 1, [10, 20])
    attempt(stage, 2, [30], origin=(1, 20))
    attempt(stage, 3, [40], origin=(2, 30))
    prune_earlier_attempts(run(tmp_path, 3, keep=3), origin_step=30, own_commits=1)
    assert left(stage) == {"a1": [20], "a2": [30], "a3": [40]}
    prune_earlier_attempts(run(tmp_path, 3, keep=3), origin_step=30, own_commits=2)
    assert left(stage) == {"a1": [], "a2": [30], "a3": [40]}
    prune_earlier_attempts(run(tmp_path, 3, keep=3), origin_step=30, own_commits=3)
    assert left(stage) == {"a1": [], "a2": [], "a3": [40]}
    assert all([path.name for path in (stage / f"a{number}").iterdir()] == ["origin.json"] for number in (1, 2)), "the chain stays"


def test_what_is_off_the_line_goes_with_the_first_own_commit(tmp_path: Path) -> None:
    """Attempt 2 went on to 50 and diverged; attempt 3 began at 30, so 40 and 50 are off. Attempt 1 lived on as a zombie to 25 and 35."""
    stage = tmp_path / "s1-s"
    attempt(stage, 1, [20, 25, 35])
    attempt(stage, 2, [30, 40, 50], origin=(1, 20))
    (stage / "a2" / "60.orbax-checkpoint-tmp").mkdir()
    attempt(stage, 3, [40], origin=(2, 30))
    prune_earlier_attempts(run(tmp_path, 3, keep=5, rollbacks=({"attempt": 3, "step": 30},)), origin_step=30, own_commits=1)
    assert left(stage) == {"a1": [20, 25], "a2": [30], "a3": [40]}
    assert not (stage / "a2" / "60.orbax-checkpoint-tmp").exists()


def test_a_superseded_attempt_removes_nothing(tmp_path: Path) -> None:
    stage = tmp_path / "s1-s"
    attempt(stage, 1, [10])
    attempt(stage, 2, [20, 30], origin=(1, 10))
    attempt(stage, 3, [], origin=(1, 10))
    prune_earlier_attempts(run(tmp_path, 2), origin_step=10, own_commits=2)
    assert left(stage) == {"a1": [10], "a2": [20, 30], "a3": []}


def test_what_was_half_removed_is_no_commit_and_goes(tmp_path: Path) -> None:
    stage = tmp_path / "s1-s"
    attempt(stage, 1, [])
    (stage / "a1" / "10.removed" / "params").mkdir(parents=True)
    assert left(stage) == {"a1": []}
    attempt(stage, 2, [20, 30])
    prune_earlier_attempts(run(tmp_path, 2), origin_step=10, own_commits=2)
    assert [path.name for path in (stage / "a1").iterdir()] == ["origin.json"]
