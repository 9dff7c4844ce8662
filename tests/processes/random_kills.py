"""SIGKILL to all of a training in local mode, again and again: `python -m processes.random_kills --count 10 --seed 1`.

Victims are the command and its trainer at once; moments are random, mostly between two steps, now and then while an attempt starts. After
each, the same command is given again. What must hold at the end: Complete, and record and state equal to those of a training left alone.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lwm_cli.local.folder import TrainingFolder
from lwm_cli.local.process import LocalProcess
from processes.gang import Gang, write_texts, write_tokenizer
from processes.local_command import RUN, lwm_train, prepare, undisturbed

STEPS_A_KILL = 12
"""What the stage needs for one kill, so that there is always something left to disturb."""
SECONDS = 600
START_SHARE, START_SECONDS = 0.3, 6.0
"""The share of the kills that come within the first seconds of a command, before its first step or after it."""
STEP_SECONDS = 0.6
"""Until a kill comes after the step that it waits for: two slow steps."""


def processes(place: Path) -> list[LocalProcess]:
    """All processes that the training's folder knows."""
    return [LocalProcess(path.parent, path.name.removesuffix(".pod.json")) for path in (place / RUN).glob("attempts/*/*.pod.json")]


def kill_all(place: Path, command: "subprocess.Popen[bytes]") -> None:
    """SIGKILL to the trainers and to the command, which stands still meanwhile and starts nothing."""
    command.send_signal(signal.SIGSTOP)
    for process in processes(place):
        process.kill()
    command.kill()
    command.wait()


def step(place: Path) -> int:
    """The newest step that a trainer has reported; 0: none."""
    reports = [json.loads(path.read_text()) for path in (place / RUN).glob("attempts/*/report.json")]
    return max((int(report["step"]) for report in reports), default=0)


def until(done: Callable[[], bool], place: Path, what: str) -> None:
    end = time.monotonic() + SECONDS
    while not done():
        if time.monotonic() > end:
            raise AssertionError(f"not within {SECONDS} s: {what}\n{(place / 'out').read_text()}")
        time.sleep(0.05)


def disturb(place: Path, number: int, count: int, steps: int, chance: random.Random) -> str:
    """Give the command, and kill everything at a random moment; what it hit, in words."""
    with lwm_train(place) as command:
        if chance.random() < START_SHARE:
            seconds = chance.uniform(0.0, START_SECONDS)
            time.sleep(seconds)
            moment = f"{seconds:.1f} s after the command"
        else:
            share = steps // (count + 1)
            wanted = (number - 1) * share + chance.randrange(1, share)
            until(lambda: step(place) >= wanted or command.poll() is not None, place, f"step {wanted}")
            time.sleep(chance.uniform(0.0, STEP_SECONDS))
            moment = f"after step {step(place)}"
        if command.poll() is not None:
            raise AssertionError(f"lwm train ended with {command.poll()} before kill {number}\n{(place / 'out').read_text()}")
        kill_all(place, command)
    folder = TrainingFolder(place / RUN)
    return f"{moment}, {folder.training().status.reason if folder.exists else 'nothing stored'}"


def kill_randomly(place: Path, count: int, chance: random.Random) -> None:
    """Train in the folder with so many kills. Raises AssertionError unless the end is that of a training left alone."""
    data, steps = place / "data", (count + 1) * STEPS_A_KILL
    write_texts(data / "texts")
    write_tokenizer(data / "tokenizer.json")
    prepare(place, data, steps)
    began = time.monotonic()
    for number in range(1, count + 1):
        hit = disturb(place, number, count, steps, chance)
        print(f"[{time.monotonic() - began:6.0f} s] {number}/{count} {hit}", file=sys.stderr, flush=True)
    with lwm_train(place) as command:
        code = command.wait()
    assert code == 0, (place / "out").read_text()
    entry = TrainingFolder(place / RUN).training().status.stages[0]
    assert entry.final_checkpoint is not None
    with Gang(undisturbed(place, entry.attempts), place / "gang") as gang:
        alone = gang.final()
    ours = entry.final_checkpoint
    assert (ours.state_hash, ours.record_hash) == (alone.state_hash, alone.record_hash), f"{ours} is not {alone}"
    print(f"{count} kills, {entry.attempts} attempts, {steps} steps: state {ours.state_hash}, record {ours.record_hash}, as left alone")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m processes.random_kills", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lwm-kills-") as place:
        kill_randomly(Path(place).resolve(), options.count, random.Random(options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
