"""Where the time of a training went, by its status."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lwm_cli.errors import CommandError
from lwm_cli.local.manifest import Options, load_local
from lwm_cli.timeline import ACTIVITIES, BETWEEN, IDLE, LOST, STEPS, timeline
from lwm_operator.api.attempt_status import Attempt, AttemptState
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.api.status import Status
from lwm_operator.api.training import Training
from lwm_trainer.config import TimeSpent
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
    assert (shown.seconds, shown.split[BETWEEN], shown.split[LOST]) == (600, 120, 60)
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
    assert (shown.forgotten, shown.split[LOST], shown.goodput) == (4, 300, 0.5)


def test_the_time_is_split_by_what_the_trainer_spent_it_on(tmp_path: Path) -> None:
    spent = {"compiling": 20, "saving": 10, "training": 160, "data_wait": 10}
    first = attempt(1, AttemptState.FAILED, (0, 4), (0, 8, 6)).model_copy(update={"time_spent": TimeSpent(**spent)})
    shown = timeline(a_training(tmp_path, first, attempt(2, AttemptState.COMPLETE, (5, 10), (6, 12, 12))), NOW)
    split = {name: seconds for name, seconds in shown.split.items() if seconds}
    assert split == {
        STEPS: 0.75 * 160 + 300,
        LOST: 0.25 * 160,
        IDLE: 40,
        BETWEEN: 60,
        "compilation": 20,
        "saving": 10,
        "waiting for data": 10,
    }
    assert sum(split.values()) == shown.seconds
    assert {STEPS, LOST, IDLE, *ACTIVITIES.values()} == shown.spans[0].split.keys()
    assert ACTIVITIES.keys() | {"training"} == TimeSpent.model_fields.keys()


def test_a_trainer_whose_clock_runs_ahead_spends_no_more_than_the_attempt_took(tmp_path: Path) -> None:
    ahead = attempt(1, AttemptState.COMPLETE, (0, 1), (0, 8, 8)).model_copy(update={"time_spent": TimeSpent(compiling=20, training=60)})
    (span,) = timeline(a_training(tmp_path, ahead), NOW).spans
    assert (span.split[STEPS], span.split["compilation"], sum(span.split.values())) == (45, 15, 60)


def test_without_an_attempt_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="tiny: no attempt has started"):
        timeline(a_training(tmp_path), NOW)
