"""Where the time of a training went, by its status."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lwm_cli.errors import CommandError
from lwm_cli.local.manifest import Options, load_local
from lwm_cli.timeline import timeline
from lwm_operator.api.status import Attempt, AttemptState, StageStatus, Status
from lwm_operator.api.training import Training
from support.local_training import write_file

NOW = datetime(2026, 11, 30, 10, 10, tzinfo=UTC)


def a_training(folder: Path, *attempts: Attempt, started: int | None = None) -> Training:
    entry = StageStatus(name="short", attempts=len(attempts) if started is None else started, recent_attempts=tuple(reversed(attempts)))
    return load_local(write_file(folder), Options(), None).model_copy(update={"status": Status(stages=(entry,))})


def attempt(number: int, state: AttemptState, times: tuple[int, int | None], steps: tuple[int, int, int]) -> Attempt:
    started, finished = (None if minute is None else f"2026-11-30T10:{minute:02}:00Z" for minute in times)
    from_step, step, committed = steps
    return Attempt(
        number=number, state=state, started_at=started, finished_at=finished, from_step=from_step, step=step, committed_step=committed
    )


def test_steps_after_the_checkpoint_and_pauses_are_no_goodput(tmp_path: Path) -> None:
    shown = timeline(
        a_training(
            tmp_path,
            attempt(1, AttemptState.FAILED, (0, 4), (0, 8, 6)),  # 2 of 8 steps in 4 minutes are lost
            attempt(2, AttemptState.RUNNING, (6, None), (6, 9, 6)),  # it runs: nothing is lost yet
        ),
        NOW,
    )
    assert (shown.seconds, shown.between, shown.lost) == (600, 120, 60)
    assert shown.goodput == pytest.approx(420 / 600)
    assert [span.kept_step for span in shown.spans] == [6, 9]


def test_an_attempt_without_a_step_is_lost_and_forgotten_ones_are_counted(tmp_path: Path) -> None:
    shown = timeline(
        a_training(
            tmp_path,
            attempt(5, AttemptState.FAILED, (0, 5), (3, 3, 0)),
            attempt(6, AttemptState.COMPLETE, (5, 10), (3, 12, 12)),
            started=6,
        ),
        NOW,
    )
    assert (shown.forgotten, shown.lost, shown.goodput) == (4, 300, 0.5)


def test_without_an_attempt_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="tiny: no attempt has started"):
        timeline(a_training(tmp_path), NOW)
