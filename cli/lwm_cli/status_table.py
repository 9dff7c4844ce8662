"""A training on the screen: a table of its stages, redrawn on a terminal, and lines elsewhere."""

import time
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lwm_operator.api.stage_status import StageStatus
from lwm_operator.api.status import Phase
from lwm_operator.api.training import Training

LINE_SECONDS = 15.0
"""Seconds between two lines of progress without a terminal, while phase and reason stay the same."""
BAR_WIDTH = 12
STYLES = {"Complete": "green", "Running": "cyan", "Failed": "red", "Paused": "red", "Recovering": "yellow", "Suspended": "yellow"}


def headline(training: Training) -> str:
    """Phase, reason and message in one line."""
    status = training.status
    return " · ".join(part for part in (status.phase.value, status.reason, status.message) if part)


def stage_table(training: Training) -> Table:
    """A line for each stage of the spec, with its status."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage", no_wrap=True)
    for name in ("context", "theta"):
        table.add_column(name, justify="right")
    table.add_column("state", no_wrap=True)
    for name in ("step", "loss", "tokens/s", "checkpoint", "restarts"):
        table.add_column(name, justify="right")
    table.add_column("progress", no_wrap=True)
    entries = {entry.name: entry for entry in training.status.stages}
    for stage in training.spec.stages:
        entry = entries.get(stage.name) or StageStatus(name=stage.name)
        table.add_row(
            stage.name,
            f"{stage.context_length:,}",
            f"{stage.rope_theta:,.0f}",
            Text(entry.state.value, STYLES.get(entry.state.value, "")),
            f"{entry.step}/{stage.total_steps}",
            entry.loss or "",
            f"{float(entry.tokens_per_second):,.0f}" if entry.tokens_per_second else "",
            str(entry.committed_step or ""),
            str(entry.restarts),
            bar(entry.step, stage.total_steps, STYLES.get(entry.state.value, "")),
        )
    return table


def bar(done: int, total: int, style: str) -> Text:
    """BAR_WIDTH characters, of which those for what is done are full."""
    full = min(done * BAR_WIDTH // max(total, 1), BAR_WIDTH)
    return Text("█" * full, style).append("░" * (BAR_WIDTH - full), "dim")


class TrainingView:
    """Shows a training again and again: a table that is redrawn on a terminal, else a line when something changes, and now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal and not console.is_dumb_terminal else None
        self._key, self._line, self._printed_at = "", "", -LINE_SECONDS

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, training: Training) -> None:
        status, line = training.status, headline(training)
        if self._live is not None:
            text = Text(line, STYLES.get(status.phase.value, ""), overflow="fold")
            self._live.update(Group(stage_table(training), text), refresh=True)
            return
        reason = "" if status.phase == Phase.RUNNING else status.reason  # it alternates between Training and Saving
        key = f"{status.phase} {reason} {status.current_stage} {status.attempt}"
        if line == self._line or (key == self._key and time.monotonic() - self._printed_at < LINE_SECONDS):
            return
        self._key, self._line, self._printed_at = key, line, time.monotonic()
        self.say(line)

    def say(self, line: str) -> None:
        """Print a line that stays, above the table."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)
