"""When each attempt of a training ran, what it kept, and what the time was spent on: all from the status."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from rich.console import Group
from rich.table import Table
from rich.text import Text

from lwm_cli.errors import CommandError
from lwm_cli.status_table import STYLES
from lwm_operator.api.attempt_status import AttemptState
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.api.training import Training
from lwm_operator.plan.formatting import duration
from lwm_trainer.config import TimeSpent

WIDTH = 40
"""Characters of the picture."""
STEPS, LOST, IDLE, BETWEEN = "steps that count", "lost steps", "idle", "between attempts"
ACTIVITIES = {
    "rendezvous": "rendezvous",
    "compiling": "compilation",
    "loading_data": "loading data",
    "restoring": "restoring",
    "data_wait": "waiting for data",
    "validating": "validation",
    "saving": "saving",
    "evaluating": "evaluation",
}
"""What the trainer spends time on besides steps, by the field of `TimeSpent`."""
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
    time_spent: TimeSpent | None = None
    """What host 0 spent the time on; None for a trainer that does not tell, whose whole time counts as steps."""

    @property
    def seconds(self) -> float:
        return max((self.finished - self.started).total_seconds(), 0.0)

    @property
    def kept_share(self) -> float:
        """The share of its steps that count."""
        done = self.step - self.from_step
        return min(max(self.kept_step - self.from_step, 0) / done, 1.0) if done > 0 else 0.0

    @property
    def split(self) -> Mapping[str, float]:
        """Seconds by what they were spent on; they add up to `seconds`. Steps that are lost take their share of all steps' time."""
        if self.time_spent is None:
            training, other = self.seconds, dict[str, float]()
        else:
            spent = self.time_spent.model_dump()
            scale = min(1.0, self.seconds / (sum(spent.values()) or 1))  # the two clocks may differ
            training = spent["training"] * scale
            other = {name: spent[field] * scale for field, name in ACTIVITIES.items()}
            other[IDLE] = max(0.0, self.seconds - training - sum(other.values()))
        return {STEPS: training * self.kept_share, LOST: training * (1 - self.kept_share), **other}


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
    def split(self) -> Mapping[str, float]:
        """Seconds by what they were spent on."""
        total: Counter[str] = Counter()
        for span in self.spans:
            total.update(span.split)
        return {**total, BETWEEN: max(self.seconds - sum(span.seconds for span in self.spans), 0.0)}

    @property
    def goodput(self) -> float:
        """The share of the time that went into steps that count."""
        return self.split[STEPS] / self.seconds if self.seconds else 0.0


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
            time_spent=attempt.time_spent,
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
        style = STYLES.get(span.state, "")
        kept, lost = (round(length * span.split[name] / (span.seconds or 1)) for name in (STEPS, LOST))
        bar = Text(" " * left).append("▒" * (length - kept - lost) + "█" * kept + "░" * lost, style)
        steps = f"{span.from_step} to {span.step}" + (f", {span.step - span.kept_step} lost" if span.step > span.kept_step else "")
        table.add_row(span.stage, str(span.number), bar, duration(span.seconds), steps, Text(span.reason or span.state, style))
    lines: list[Table | Text] = [table, Text(), Text(_sum(shown)), *_parts(shown)]
    if shown.forgotten:
        lines.append(Text(f"{shown.forgotten} older attempts are no longer in the status: they are not shown and not counted"))
    return Group(*lines)


def _sum(shown: Timeline) -> str:
    return f"goodput {shown.goodput:.0%} of {duration(shown.seconds)}: steps that count █, lost ░, no steps ▒"


def _parts(shown: Timeline) -> Iterator[Text]:
    """What the time went into, most first, from one second on."""
    for name, seconds in sorted(shown.split.items(), key=lambda part: -part[1]):
        if seconds >= 1:
            yield Text(f"{seconds / shown.seconds:5.0%}  {name}, {duration(seconds)}")
