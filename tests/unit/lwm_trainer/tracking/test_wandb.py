"""Weights & Biases itself, without a server."""

import json
import re
import struct
import time
from pathlib import Path
from typing import Any, cast

import pytest

from lwm_trainer.config import Wandb
from lwm_trainer.tracking.tracker import Point
from lwm_trainer.tracking.wandb import WandbTracker
from support.builders import a_run

WAIT_SECONDS = 30


def history(content: bytes) -> list[dict[str, float]]:
    """The rows of a short run that waits to be synchronized: seven bytes, then records of LevelDB's log, each in one piece."""
    from wandb.proto import wandb_internal_pb2

    rows, rest = [], content[7:]
    while len(rest) >= 7:
        length, kind = struct.unpack("<4xHB", rest[:7])
        assert kind == 1, "a record in one piece"
        if len(rest) < 7 + length:
            break  # half a record is written
        record = cast("Any", wandb_internal_pb2).Record.FromString(rest[7 : 7 + length])
        rest = rest[7 + length :]
        if record.WhichOneof("record_type") == "history":
            items = {item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            rows.append({name: value for name, value in items.items() if name == "_step" or not name.startswith("_")})
    return rows


def test_offline_each_attempt_has_the_whole_curve_in_the_run_s_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run = a_run(attempt=2, checkpoint={"root": str(tmp_path / "bible-64e482a9"), "save_interval_steps": 1})
    Path(run.checkpoint.root).mkdir()
    tracker = WandbTracker(run, Wandb(project="worlds", mode="offline"))
    assert tracker.resume() == 0
    tracker.write([Point(step=step, finished_at=0.0, scalars={"train/loss": 5.0 - step}) for step in (1, 2, 3)])
    tracker.close()
    (file,) = tmp_path.glob("bible-64e482a9/wandb/offline-run-*/run-*.wandb")
    assert re.search(r"-bible-64e482a9-s1-s-a2\.wandb$", file.name)
    # W&B's own process writes the file, and may do so a moment after the run has ended.
    ends = time.monotonic() + WAIT_SECONDS
    while len(history(file.read_bytes())) < 3 and time.monotonic() < ends:
        time.sleep(0.05)
    assert history(file.read_bytes()) == [{"_step": step, "train/loss": 5.0 - step} for step in (1, 2, 3)]
