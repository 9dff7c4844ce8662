"""Follows a training to its end: a table that is redrawn on a terminal, plain lines elsewhere."""

import shutil
import sys
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any, TextIO

from tools.kubectl import CommandError, Kubectl

_POLL_SECONDS = 3.0
_LINE_SECONDS = 15.0
_SILENT_SECONDS = 90.0
_MAX_FAILED_POLLS = 10  # in a row, before the error is raised


class TrainingError(Exception):
    """The training failed or did not end in time; the text says why."""


def watch(
    kubectl: Kubectl, name: str, seconds: float, out: TextIO = sys.stdout, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Shows LWMTraining `name` until it is Complete and returns it. Raises TrainingError on Failed and after `seconds`."""
    view = RedrawnTable(out) if out.isatty() else PlainLines(out)
    began, failures = time.monotonic(), 0
    while True:
        try:
            training, failures = kubectl.get("lwmtraining", name), 0
        except CommandError:
            failures += 1
            if failures >= _MAX_FAILED_POLLS:
                raise
            sleep(_POLL_SECONDS)
            continue
        if not training:
            raise TrainingError(f"LWMTraining {name} was deleted")
        view.show(training)
        status = training.get("status", {})
        for condition in status.get("conditions", []):
            if condition["status"] == ("False" if condition["type"] == "Accepted" else "True"):
                if condition["type"] == "Complete":
                    return training
                if condition["type"] in ("Accepted", "Failed"):
                    raise TrainingError(f"LWMTraining {name}: {condition['reason']}: {condition.get('message', '')}")
        waited = time.monotonic() - began
        if not status and waited > _SILENT_SECONDS:
            raise TrainingError(f"LWMTraining {name} has no status after {waited:.0f} s: the operator is not running, see its log")
        if waited > seconds:
            raise TrainingError(f"LWMTraining {name} is not complete after {seconds:.0f} s: {headline(training)}")
        sleep(_POLL_SECONDS)


def headline(training: dict[str, Any]) -> str:
    """Phase, reason and message in one line."""
    status = training.get("status", {})
    return " · ".join(part for part in (status.get("phase", "Pending"), status.get("reason", ""), status.get("message", "")) if part)


def table(training: dict[str, Any]) -> list[str]:
    """Lines of a table of the spec's stages with their status."""
    lines = [f"{'stage':<12} {'context':>8} {'theta':>9} {'state':<9} {'step':>7} {'loss':>7} {'tokens/s':>9} {'restarts':>8}"]
    statuses = {stage["name"]: stage for stage in training.get("status", {}).get("stages", [])}
    for stage in training["spec"]["stages"]:
        status = statuses.get(stage["name"], {})
        step = f"{status.get('step', 0)}/{stage.get('steps') or stage['tokens'] // stage['batchTokens']}"
        lines.append(
            f"{stage['name']:<12} {stage['contextLength']:>8,} {stage['ropeTheta']:>9,.0f} {status.get('state', 'Pending'):<9} {step:>7} "
            f"{_number(status.get('loss'), '.3f'):>7} {_number(status.get('tokensPerSecond'), ',.0f'):>9} {status.get('restarts', 0):>8}"
        )
    return lines


def stage_seconds(training: dict[str, Any]) -> list[float]:
    """How long each completed stage took, with start-up and hand-over: from the end of the stage before, or from the creation."""
    ends = [training["metadata"]["creationTimestamp"]]
    ends += [stage["completedAt"] for stage in training["status"]["stages"] if stage.get("completedAt")]
    moments = [datetime.fromisoformat(end) for end in ends]
    return [(end - begin).total_seconds() for begin, end in pairwise(moments)]


class RedrawnTable:
    """Redraws the table in place."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._height = out, 0

    def show(self, training: dict[str, Any]) -> None:
        width = shutil.get_terminal_size().columns - 1  # a line that wraps would shift what is redrawn
        lines = [line[:width] for line in (*table(training), headline(training))]
        up = f"\x1b[{self._height}A" if self._height else ""
        self._out.write(up + "".join(f"\x1b[2K{line}\n" for line in lines))
        self._out.flush()
        self._height = len(lines)


class PlainLines:
    """Prints a line when phase or stage changes, and every few seconds while steps go by."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._key, self._line, self._last = out, "", "", -_LINE_SECONDS

    def show(self, training: dict[str, Any]) -> None:
        status = training.get("status", {})
        key, line = f"{status.get('phase')} {status.get('reason')} {status.get('currentStage')}", headline(training)
        if line == self._line or (key == self._key and time.monotonic() - self._last < _LINE_SECONDS):
            return
        self._key, self._line, self._last = key, line, time.monotonic()
        self._out.write(line + "\n")
        self._out.flush()


def _number(text: str | None, form: str) -> str:
    try:
        return format(float(text), form) if text else ""
    except ValueError:
        return str(text)
