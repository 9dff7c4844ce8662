"""What a report says, as plain values: the page only lays them out."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from lwm_trainer.report.curves import Curve

Tone = Literal["good", "bad", "waiting", "neutral"]
"""How a state is shown beside its word."""

TONES: dict[str, Tone] = {
    "Complete": "good",
    "Running": "good",
    "Failed": "bad",
    "Paused": "bad",
    "Recovering": "waiting",
    "Suspended": "waiting",
    "Stopping": "waiting",
    "Suspending": "waiting",
}
"""Tones of phases and states; all others are neutral."""


def tone(state: str) -> Tone:
    return TONES.get(state, "neutral")


class Verdict(NamedTuple):
    """The first thing that the page says."""

    word: str
    tone: Tone
    sentence: str


class StageRow(NamedTuple):
    """A line of the ladder, as it is shown."""

    name: str
    state: str
    tone: Tone
    context: str
    theta: str
    steps: str
    first_loss: str
    last_loss: str
    validation: str
    """Loss on held-out documents, and what came of the gate; empty without a validation."""
    tokens_per_second: str
    took: str
    restarts: str


class AttemptRow(NamedTuple):
    """A line of the attempts, oldest first."""

    stage: str
    number: int
    state: str
    tone: Tone
    steps: str
    committed: str
    started: str
    took: str
    reason: str
    message: str


class TimeShare(NamedTuple):
    """What part of a training's time went where."""

    name: str
    took: str
    percent: float
    """Share of the time since the first attempt, 0 to 100."""


class EventRow(NamedTuple):
    """An Event of the training."""

    time: str
    type: str
    reason: str
    times: int
    message: str


class MapCell(NamedTuple):
    """A cell of a map of scores."""

    text: str
    """Right answers and questions."""
    percent: float
    """The mean score, 0 to 100."""
    tip: str


class ScoreMap(NamedTuple):
    """Mean scores by length (columns) and by depth or task (rows)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[MapCell | None, ...]], ...]


class Line(NamedTuple):
    """A length or task of an evaluation."""

    name: str
    score: str
    interval: str
    chance: str
    questions: str


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The results of one suite."""

    title: str
    place: str
    """The folder of the results; empty where they are of the training itself."""
    subject: str
    """The checkpoint."""
    summary: str = ""
    """All that it found in a sentence, where it has no lines."""
    command: str
    """What makes the same results again, but for the tokenizer."""
    lines: tuple[Line, ...] = ()
    map: ScoreMap | None = None
    curve: Curve | None = None
    settings: tuple[tuple[str, str], ...] = ()


class Sample(NamedTuple):
    """How a model goes on with the beginning of a text."""

    prompt: str
    answer: str
    """The most probable tokens."""
    true: str
    """As many tokens of the text itself."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole page. What is empty is left out, and `notes` say why."""

    title: str
    made: str
    verdict: Verdict
    figures: tuple[tuple[str, str], ...] = ()
    """The figures beside the verdict: name and value."""
    stages: tuple[StageRow, ...] = ()
    loss: Curve | None = None
    attempts: tuple[AttemptRow, ...] = ()
    time: tuple[TimeShare, ...] = ()
    """Where the time went, most first."""
    events: tuple[EventRow, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    samples: tuple[Sample, ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    commands: tuple[tuple[str, str], ...] = ()
    """What a command is for, and the command."""
    spec: str = ""
    notes: tuple[str, ...] = field(default=())
