"""The trainings that are compared: one grows by stages, each other differs from it in one thing, and all of a group see equal tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from quickstart.proof.data import PIECES, RECALL_FIELDS

MODEL = {
    "layers": 2,
    "width": 128,
    "heads": 4,
    "kvHeads": 4,
    "headDim": 32,
    "mlpWidth": 256,
    "vocabSize": PIECES,
    "tiedEmbeddings": True,
}
RECALL_SHARE = 0.8
"""Share of the tokens that are synthetic recall documents; the others are books."""
GROWING, SAME_THETA, LONGEST, LONGEST_SAME_THETA = "growing", "same-theta", "longest", "longest-same-theta"
TOKEN_MEAN, MASKED, NAIVE = "token-mean", "masked", "naive"
NAIVE_DATASET = "chats-naive"
CHAT_CONTEXT, CHAT_BATCH_TOKENS, CHAT_STEPS = 1536, 3072, 16


@dataclass(frozen=True)
class Rung:
    """A stage of the ladder."""

    context: int
    theta: float
    batch_tokens: int
    steps: int
    learning_rate: float

    @property
    def name(self) -> str:
        return f"ctx{self.context}"

    @property
    def tokens(self) -> int:
        return self.batch_tokens * self.steps


LADDER = (
    Rung(256, 1000.0, 2048, 260, 0.004),
    Rung(1024, 8000.0, 4096, 16, 0.002),
    Rung(2048, 20000.0, 4096, 16, 0.002),
)
"""The base of the rotary embedding grows with the context, as in LWM's recipe."""


@dataclass(frozen=True)
class Run:
    """A training of the proof."""

    name: str
    title: str
    rungs: tuple[Rung, ...]
    weighting: str = "examples"
    begins_with: tuple[str, int] | None = None
    """The run and the stage, from 0, whose final checkpoint it starts from; None: random parameters."""
    chats: str | None = None
    """The data set of chats that it trains on instead of recall and books."""


def runs(ladder: Sequence[Rung] = LADDER) -> list[Run]:
    """All trainings; one that another begins with comes before it."""
    first, last = ladder[0], ladder[-1]
    tokens = sum(rung.tokens for rung in ladder)
    steps = tokens // last.batch_tokens
    chat = Rung(CHAT_CONTEXT, ladder[1].theta, CHAT_BATCH_TOKENS, CHAT_STEPS, 0.001)

    def long(theta: float) -> tuple[Rung, ...]:
        return (Rung(last.context, theta, last.batch_tokens, steps, first.learning_rate),)

    rest = tuple(Rung(rung.context, first.theta, rung.batch_tokens, rung.steps, rung.learning_rate) for rung in ladder[1:])
    return [
        Run(GROWING, "grown by stages, θ grows", tuple(ladder)),
        Run(SAME_THETA, "grown by stages, θ stays", rest, begins_with=(GROWING, 0)),
        Run(LONGEST, "all at the longest length", long(last.theta)),
        Run(TOKEN_MEAN, "first stage, every token weighs alike", (first,), weighting="tokens"),
        Run(MASKED, "chats masked from each other", (chat,), begins_with=(GROWING, 1), chats="chats-masked"),
        Run(NAIVE, "chats that see the ones before", (chat,), begins_with=(GROWING, 1), chats=NAIVE_DATASET),
        Run(LONGEST_SAME_THETA, "all at the longest length, θ of the first stage", long(first.theta)),
    ]


def manifest(run: Run, data: Path, checkpoints: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The LWMTraining of a run. `checkpoints`: the final ones of the stages of earlier runs, by name."""
    start = {} if run.begins_with is None else {"initFrom": {"uri": checkpoints[run.begins_with[0]][run.begins_with[1]]}}
    return {
        "apiVersion": "lwm.dev/v1alpha1",
        "kind": "LWMTraining",
        "metadata": {"name": run.name},
        "spec": {
            "model": {**MODEL, **start},
            "tokenizer": {"uri": str(data / "tokenizer.json")},
            "datasets": _datasets(run, data),
            "checkpoint": {"uri": "file:checkpoints", "saveIntervalSteps": 100},
            "accelerator": {"type": "cpu", "cpu": {"hosts": 1, "devicesPerHost": 1, "threads": 1}},
            "stages": [_stage(run, rung) for rung in run.rungs],
        },
    }


def _datasets(run: Run, data: Path) -> list[dict[str, Any]]:
    def dataset(name: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "kind": "text", "source": {"uri": str(data / name)}, **fields}

    if run.chats is not None:
        own, held_out = (
            {"fieldsFromExample": "fields", "documents": {"overlong": overlong}}
            for overlong in ("split" if run.chats == NAIVE_DATASET else "skip", "skip")
        )
        return [dataset(run.chats, own), dataset("chats-held-out", held_out)]
    recall = [dataset(f"recall-{rung.context}", {"fields": RECALL_FIELDS, "documents": {"overlong": "skip"}}) for rung in run.rungs]
    return [*recall, dataset("books", {}), dataset("held-out", {})]


def _stage(run: Run, rung: Rung) -> dict[str, Any]:
    mixture = [{"dataset": f"recall-{rung.context}", "weight": RECALL_SHARE}, {"dataset": "books", "weight": round(1 - RECALL_SHARE, 4)}]
    return {
        "name": rung.name,
        "contextLength": rung.context,
        "ropeTheta": rung.theta,
        "batchTokens": rung.batch_tokens,
        "steps": rung.steps,
        "mesh": {},
        "mixture": mixture if run.chats is None else [{"dataset": run.chats, "weight": 1.0}],
        "memory": {"remat": "none"},
        "loss": {"weighting": run.weighting},
        "optimizer": {"peakLearningRate": rung.learning_rate, "warmupSteps": min(20, rung.steps // 4), "finalFraction": 0.1},
        "validation": {"datasets": ["held-out" if run.chats is None else "chats-held-out"], "batches": 8},
    }


def write_manifest(run: Run, data: Path, checkpoints: Mapping[str, Sequence[str]], file: Path) -> None:
    """Write the file for `lwm train`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(manifest(run, data, checkpoints), sort_keys=False), encoding="utf-8")
