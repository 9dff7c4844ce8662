"""One process in place of a pod: started, told to end, and watched, also by a later `lwm train` than the one that started it.

All that a later one needs is in files: the record (pid and what identifies it, deletion, exit code), the log, the termination message.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel

from lwm_cli.local import launcher
from lwm_cli.local.files import read_text, write_whole
from lwm_operator.cluster.parse_endings import parse_termination_message
from lwm_operator.plan.timestamps import seconds_since, stamp
from lwm_trainer.config import TerminationMessage

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class ProcessRecord(BaseModel):
    """What is known of the process. `started` and `boot` tell it from a later process with the same pid."""

    uid: str
    pid: int
    started: str
    boot: str
    tries: int = 1
    grace_seconds: int = 30
    deletion_deadline: str | None = None
    exit_code: int | None = None
    ended: bool = False
    ended_at: str | None = None
    unwatched: bool = False
    """It ended while no `lwm train` watched it, so that its exit code is known from its termination message only, if at all."""


@dataclass(frozen=True)
class Launch:
    """How a process is started: its command without the launcher, and its variables over those of this process."""

    command: Sequence[str]
    environment: Mapping[str, str]


class LocalProcess:
    """The process called `name`, whose files are in `folder`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._record_path = folder / f"{name}.pod.json"
        self.log_path = folder / f"{name}.log"
        self.termination_path = folder / f"{name}.termination"
        self._child: subprocess.Popen[bytes] | None = None
        text = read_text(self._record_path)
        self.record = ProcessRecord.model_validate_json(text) if text else None

    def start(self, launch: Launch, uid: str) -> None:
        """Start the process, again if it has ended before. Raises OSError."""
        self.termination_path.unlink(missing_ok=True)
        command = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), *launch.command]
        with self.log_path.open("ab") as log:
            # A session of its own, so that Ctrl-C on the terminal reaches only lwm train, which has the processes save.
            self._child = subprocess.Popen(
                command,
                env={**os.environ, **launch.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        tries = self.record.tries + 1 if self.record is not None else 1
        pid = self._child.pid
        self._write(ProcessRecord(uid=uid, pid=pid, started=_start_time(pid), boot=_boot_id(), tries=tries))

    @property
    def live(self) -> bool:
        return self.record is not None and not self.record.ended

    def poll(self, now: datetime) -> bool:
        """Note whether the process has ended, and kill it once its grace period is over; return whether anything changed."""
        if self.record is None or self.record.ended:
            return False
        deadline = self.record.deletion_deadline
        if deadline is not None and seconds_since(deadline, now) >= 0:
            self._signal(signal.SIGKILL)
        if self._child is not None:
            if (code := self._child.poll()) is None:
                return False
            ended: dict[str, object] = {"exit_code": 128 - code if code < 0 else code}
        elif _is_alive(self.record):
            return False
        else:
            message = self.termination_message
            ended = {"exit_code": message.code if message is not None else None, "unwatched": True}
        self._write(self.record.model_copy(update={**ended, "ended": True, "ended_at": stamp(now)}))
        return True

    def delete(self, grace_seconds: int, now: datetime) -> None:
        """Tell the process to end within the grace period; an earlier deadline stands."""
        if self.record is None or self.record.ended:
            return
        deadline = stamp(now + timedelta(seconds=grace_seconds))
        if self.record.deletion_deadline is not None:
            deadline, grace_seconds = min((deadline, grace_seconds), (self.record.deletion_deadline, self.record.grace_seconds))
        self._write(self.record.model_copy(update={"deletion_deadline": deadline, "grace_seconds": grace_seconds}))
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once and wait until it is gone."""
        if not self.live:
            return
        self._signal(signal.SIGKILL)
        if self._child is not None:
            self._child.wait()
        else:
            end = time.monotonic() + 5
            while self.record is not None and _is_alive(self.record) and time.monotonic() < end:
                time.sleep(0.02)

    @property
    def termination_message(self) -> TerminationMessage | None:
        return parse_termination_message(read_text(self.termination_path))

    def _signal(self, number: signal.Signals) -> None:
        if self.record is not None and (self._child is not None or _is_alive(self.record)):
            try:
                os.kill(self.record.pid, number)
            except ProcessLookupError:
                return

    def _write(self, record: ProcessRecord) -> None:
        write_whole(self._record_path, record.model_dump_json(exclude_defaults=True))
        self.record = record


def _boot_id() -> str:
    return (read_text(_BOOT_ID) or "").strip()


def _start_time(pid: int) -> str:
    """When the process started, in ticks since boot; empty for a process that is gone or a zombie, and where there is no /proc."""
    stat = read_text(Path(f"/proc/{pid}/stat"))
    if stat is None:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state in ("Z", "X") else fields[18]


def _is_alive(record: ProcessRecord) -> bool:
    if Path("/proc/self/stat").exists():
        return record.boot == _boot_id() and record.started != "" and _start_time(record.pid) == record.started
    try:
        os.kill(record.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
