"""Event files as a reader sees them."""

from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import SessionLog

from lwm_trainer.config import RunConfig
from lwm_trainer.tracking.tensorboard import TensorBoard
from lwm_trainer.tracking.tracker import Point
from support.builders import a_run
from support.event_files import events
from support.fake_gcs import a_bucket


def points(*steps: int) -> list[Point]:
    return [Point(step=step, finished_at=1e9 + step, scalars={"train/loss": float(step), "train/grad_norm": 0.5}) for step in steps]


def a_training(root: str, attempt: int) -> RunConfig:
    return a_run(attempt=attempt, checkpoint={"root": root, "save_interval_steps": 1})


def test_the_newest_attempt_s_file_has_the_whole_curve_and_is_the_only_one(tmp_path: Path) -> None:
    first, second = (TensorBoard(a_training(str(tmp_path), attempt)) for attempt in (9, 10))
    assert first.resume() == 0
    first.write(points(1, 2))
    assert second.resume() == 0
    assert len(list(tmp_path.rglob("*tfevents*"))) == 2, "the old file stays until the new one has the curve"
    second.write(points(1, 2))
    second.write(points(3))
    first.write(points(3, 4))  # a process that was given up for dead
    first.close()
    second.close()
    (file,) = (tmp_path / "tensorboard" / "s1-s").iterdir()
    version, session, *steps = events(file.read_bytes())
    assert version.file_version == "brain.Event:2"
    assert (session.session_log.status, session.step) == (SessionLog.START, 0)
    assert [(event.step, event.wall_time) for event in steps] == [(1, 1e9 + 1), (2, 1e9 + 2), (3, 1e9 + 3)]
    assert {value.tag: value.simple_value for value in steps[-1].summary.value} == {"train/loss": 3.0, "train/grad_norm": 0.5}


def test_a_curve_that_is_resumed_after_a_failure_begins_anew(tmp_path: Path) -> None:
    tracker = TensorBoard(a_training(str(tmp_path), 1))
    tracker.resume()
    tracker.write(points(1))
    tracker.resume()
    tracker.write(points(1, 2))
    tracker.close()
    (file,) = tmp_path.rglob("*tfevents*")
    assert [event.step for event in events(file.read_bytes())][2:] == [1, 2]


def test_in_a_bucket_each_commit_replaces_the_file_and_the_older_one_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = "runs/t/tensorboard/s1-s/events.out.tfevents."
    with a_bucket(monkeypatch, {f"{folder}0000000001.lwm": b"", "runs/t/tensorboard/s1-s/notes": b""}) as bucket:
        tracker = TensorBoard(a_training("gs://lwm/runs/t", 2))
        tracker.resume()
        assert f"{folder}0000000001.lwm" in bucket.objects
        for step in (1, 2):
            tracker.write(points(step))
            content = bucket.objects[f"{folder}0000000002.lwm"]
            assert [event.step for event in events(content)][2:] == list(range(1, step + 1))
        tracker.close()
        assert set(bucket.objects) == {f"{folder}0000000002.lwm", "runs/t/tensorboard/s1-s/notes"}
