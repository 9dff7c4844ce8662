"""When each attempt of a training ran, what it kept, and how much of the time was spent on steps that were kept: all from the status."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from rich.console import Group
from rich.table import Table
from rich.text import Text

from lwm_cli.errors import CommandError
from lwm_cli.status_table import STYLES
from lwm_operator.api.status import AttemptState, StageStatus
from lwm_operator.api.training import Training
from lwm_operator.plan.formatting import duration

WIDTH = 40
"""Characters of the picture."""
ENDED = (AttemptState.COMPLETE, AttemptState.FAILED, AttemptState.SUSPENDED)


@dataclass(frozen=True)
class Span:
    """An attempt in time."""

    stage: str
    number: int
    started: datetime
    finished: datetime
    """Now, for one that has not ended."""
    state: str
    reason: str
    """Why it failed; empty otherwise."""
    from_step: int
    step: int
    kept_step: int
    """The step from which the next attempt went on, or the newest checkpoint; for one that runs, its newest step."""

    @property
    def seconds(self) -> float:
        return max((self.finished - self.started).total_seconds(), 0.0)

    @property
    def kept_share(self) -> float:
        """The share of its steps that count."""
        done = self.step - self.from_step
        return min(max(self.kept_step - self.from_step, 0) / done, 1.0) if done > 0 else 0.0


@dataclass(frozen=True)
class Timeline:
    """The attempts that the status still has, oldest first."""

    spans: Sequence[Span]
    forgotten: int
    """Older attempts, of which the status has the number only."""

    @property
    def seconds(self) -> float:
        """From the first start to the last end."""
        return (max(span.finished for span in self.spans) - min(span.started for span in self.spans)).total_seconds()

    @property
    def between(self) -> float:
        """Seconds in which no attempt ran."""
        return max(self.seconds - sum(span.seconds for span in self.spans), 0.0)

    @property
    def lost(self) -> float:
        """Seconds of attempts whose steps do not count: in proportion to the steps, and all of an attempt without a step."""
        return sum(span.seconds * (1 - span.kept_share) for span in self.spans)

    @property
    def goodput(self) -> float:
        """The share of the time that went into attempts whose steps count, start-up included."""
        return (self.seconds - self.between - self.lost) / self.seconds if self.seconds else 0.0


def timeline(training: Training, now: datetime) -> Timeline:
    """Raises CommandError where no attempt has started."""
    spans = sorted((span for entry in training.status.stages for span in _spans(entry, now)), key=lambda span: span.started)
    if not spans:
        raise CommandError(f"{training.metadata.name}: no attempt has started: {training.status.message or 'the training is new'}")
    started = sum(entry.attempts for entry in training.status.stages)
    return Timeline(spans, started - len(spans))


def _spans(entry: StageStatus, now: datetime) -> Iterator[Span]:
    attempts = sorted(entry.recent_attempts, key=lambda attempt: attempt.number)
    for attempt, following in zip_longest(attempts, attempts[1:]):
        if attempt.started_at is None:
            continue
        newest = attempt.committed_step if attempt.state in ENDED else attempt.step
        yield Span(
            stage=entry.name,
            number=attempt.number,
            started=datetime.fromisoformat(attempt.started_at),
            finished=datetime.fromisoformat(attempt.finished_at) if attempt.finished_at is not None else now,
            state=attempt.state.value,
            reason=attempt.root_cause.reason if attempt.root_cause is not None else "",
            from_step=attempt.from_step,
            step=max(attempt.step, attempt.committed_step),
            kept_step=newest if following is None else following.from_step,
        )


def drawn(shown: Timeline) -> Group:
    """A line for each attempt with a bar on the common time axis, and where the time went."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    begin = min(span.started for span in shown.spans)
    for name in ("stage", "attempt", f"0 to {duration(shown.seconds)}", "took", "steps", "end"):
        table.add_column(name, no_wrap=True)
    for span in shown.spans:
        left = round((span.started - begin).total_seconds() / (shown.seconds or 1) * WIDTH)
        length = max(round(span.seconds / (shown.seconds or 1) * WIDTH), 1)
        left = min(left, WIDTH - length)
        kept = round(length * span.kept_share)
        style = STYLES.get(span.state, "")
        bar = Text(" " * left).append("█" * kept, style).append("░" * (length - kept), style)
        steps = f"{span.from_step} to {span.step}" + (f", {span.step - span.kept_step} lost" if span.step > span.kept_step else "")
        table.add_row(span.stage, str(span.number), bar, duration(span.seconds), steps, Text(span.reason or span.state, style))
    lines: list[Table | Text] = [table, Text(), Text(_shares(shown))]
    if shown.forgotten:
        lines.append(Text(f"{shown.forgotten} older attempts are no longer in the status: they are not shown and not counted"))
    return Group(*lines)


def _shares(shown: Timeline) -> str:
    parts = {"between attempts": shown.between, "in steps that were lost": shown.lost}
    spent = ", ".join(f"{duration(seconds)} {name}" for name, seconds in parts.items() if seconds >= 1)
    return f"goodput {shown.goodput:.0%} of {duration(shown.seconds)}" + (f"; {spent}" if spent else "")
