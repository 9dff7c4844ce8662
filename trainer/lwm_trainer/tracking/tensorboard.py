"""TensorBoard: one event file per attempt, which has the whole curve of its stage from the first step on.

So the newest file alone says everything. TensorBoard reads the files of a folder in the order of their names, and the session that begins
at step 0 in each takes the place of what the files before it said: a process that was given up for dead forks no curve.
"""

import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter

from lwm_trainer.config import RunConfig
from lwm_trainer.storage.folder import folder
from lwm_trainer.tracking.tracker import Point

_NAME = re.compile(r"events\.out\.tfevents\.(\d{10})\.lwm")


class TensorBoard:
    """Writes on disk as steps are committed; to a bucket it uploads its file again after each commit, as objects cannot grow."""

    name = "tensorboard"

    def __init__(self, run: RunConfig) -> None:
        self._attempt = run.attempt
        self._folder = folder(tensorboard_folder(run))
        self._file = f"events.out.tfevents.{run.attempt:010d}.lwm"
        self._is_bucket = self._folder.uri.startswith("gs://")
        self._writer: Any = None

    def resume(self) -> int:
        """Begin the file anew. Always 0: the file has no step yet."""
        self.close()
        place = Path(tempfile.mkdtemp(prefix="lwm-tensorboard-") if self._is_bucket else self._folder.uri)
        place.mkdir(parents=True, exist_ok=True)
        self._path = place / self._file
        self._writer = RecordWriter(str(self._path))
        now = time.time()
        self._add(Event(wall_time=now, file_version="brain.Event:2"))
        self._add(Event(wall_time=now, step=0, session_log=SessionLog(status=SessionLog.START)))
        return 0

    def write(self, points: Sequence[Point]) -> None:
        for point in points:
            values = [Summary.Value(tag=name, simple_value=value) for name, value in point.scalars.items()]
            self._add(Event(wall_time=point.finished_at or time.time(), step=point.step, summary=Summary(value=values)))
        self._writer.flush()
        if self._is_bucket:
            self._folder.write(self._file, self._path.read_bytes())
        for name in self._folder.names():
            if (file := _NAME.fullmatch(name)) is not None and int(file[1]) < self._attempt:
                self._folder.remove(name)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            if self._is_bucket:
                shutil.rmtree(self._path.parent, ignore_errors=True)

    def _add(self, event: Event) -> None:
        self._writer.write(event.SerializeToString())


def tensorboard_folder(run: RunConfig) -> str:
    """The folder of the stage's event files. `tensorboard --logdir` of the folder above it shows all stages."""
    return f"{run.checkpoint.root}/tensorboard/s{run.stage_index + 1}-{run.stage}"
