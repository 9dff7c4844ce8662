"""Helpers of all other modules: commands, progress lines, waiting, locks."""

import fcntl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STARTED = time.monotonic()


class ClusterError(Exception):
    """An error that a person has to act upon; its text says what to do."""


def say(text: str) -> None:
    """One line of progress with the seconds since the command began, on standard error."""
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", file=sys.stderr, flush=True)


def output(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, stdin: str | None = None) -> str:
    """Standard output of a command; ClusterError with the tail of its standard error where it fails."""
    done = subprocess.run([str(a) for a in argv], env=env, cwd=cwd, input=stdin, capture_output=True, text=True)
    if done.returncode != 0:
        words = " ".join(str(a) for a in argv[:6])
        raise ClusterError(f"`{words} ...` failed with {done.returncode}:\n{(done.stderr or done.stdout)[-3000:]}")
    return done.stdout


def succeeds(argv: Sequence[str | Path]) -> bool:
    """Whether the command exits with 0; its output is dropped."""
    return subprocess.run([str(a) for a in argv], capture_output=True).returncode == 0


def until(what: str, true: Callable[[], bool], *, seconds: float, hint: str) -> None:
    """Return once `true()` holds, asked twice a second; ClusterError after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise ClusterError(f"still not after {seconds:.0f} s: {what}. {hint}")
        time.sleep(0.5)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`: two `up` of one cluster, or two builds, go one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another command that holds {path}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
