"""docs/proof.md: the figures of the runs, and verdicts that depend on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from lwm_trainer.evaluation.results import chance_text
from quickstart.proof.data import KINDS, NAIVE_CHATS
from quickstart.proof.pictures import draw_maps, draw_positions
from quickstart.proof.trainings import (
    CHAT_CONTEXT,
    GROWING,
    LONGEST,
    LONGEST_SAME_THETA,
    MASKED,
    MODEL,
    NAIVE,
    RECALL_SHARE,
    SAME_THETA,
    TOKEN_MEAN,
)

Figures = Mapping[str, dict[str, Any]]
"""What `run_and_measure` returns, by the name of the run."""
Score = Sequence[float]
"""A mean, and the ends of its 95 % interval."""
TEMPLATE = Path(__file__).parent / "page.md.j2"
MAPS, POSITIONS = "images/proof-maps.png", "images/proof-positions.png"
LADDERS = GROWING, SAME_THETA, LONGEST, LONGEST_SAME_THETA
CHANCE = 1 / len(KINDS["fruit"])
MIDDLE_END = 255
"""The last position of the bucket that the last one is compared with."""
PACKING_NATS = 0.01
"""A smaller difference of two single runs is none."""


def write_page(figures: Figures, docs: Path) -> None:
    """Write the page and its pictures below `docs`."""
    models = _models(figures)
    draw_maps([(title, stage["evaluation"]["recall"]["cells"]) for title, stage in models], docs / MAPS)
    draw_positions([(figures[name]["title"], _last(figures, name)["evaluation"]["positions"]) for name in LADDERS], docs / POSITIONS)
    (docs / "proof.md").write_text(page(figures), encoding="utf-8")


def page(figures: Figures) -> str:
    """The page's text."""
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True, autoescape=False)  # noqa: S701 - Markdown
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(_contents(figures))


def comparison(one: Score, other: Score) -> str:
    """How a score stands to another: the intervals must not overlap to say more than that nothing is shown."""
    if one[1] > other[2]:
        return "more"
    return "less" if one[2] < other[1] else "no difference that these questions show"


def _contents(figures: Figures) -> dict[str, Any]:
    growing, stages = _last(figures, GROWING), figures[GROWING]["stages"]
    runs = [_ladder_row(figures, name) for name in LADDERS]
    middle, late = _buckets(growing)
    masked, naive = _last(figures, MASKED), _last(figures, NAIVE)
    return {
        "size": f"{MODEL['layers']} layers, width {MODEL['width']}, {MODEL['heads']} heads",
        "ladder": [stage["rung"] for stage in stages],
        "lengths": [cell["length"] for cell in growing["evaluation"]["recall"]["lengths"]],
        "recall_share": RECALL_SHARE,
        "kinds": len(KINDS),
        "chance": chance_text(CHANCE),
        "percent": percent,
        "runs": runs,
        "places": sum(stage["rung"]["batch_tokens"] * stage["rung"]["steps"] for stage in stages),
        "seconds": {"growing": figures[GROWING]["cpu_seconds"], "longest": figures[LONGEST]["cpu_seconds"]},
        "maps": MAPS,
        "positions": POSITIONS,
        "models": [_model_row(title, stage) for title, stage in _models(figures)],
        "carries_over": _carries_over(growing),
        "middle": middle,
        "late": late,
        "position_verdict": _position_verdict(middle, late),
        "weights": _weights(stages[0], _last(figures, TOKEN_MEAN)),
        "chat_context": CHAT_CONTEXT,
        "together": NAIVE_CHATS,
        "masked": masked,
        "naive": naive,
        "packing_verdict": _packing_verdict(masked["validation_loss"], naive["validation_loss"]),
    }


def percent(score: Score) -> str:
    """A score with its interval."""
    return f"{100 * score[0]:.0f} % ({100 * score[1]:.0f} to {100 * score[2]:.0f})"


def _last(figures: Figures, name: str) -> dict[str, Any]:
    stage: dict[str, Any] = figures[name]["stages"][-1]
    return stage


def _models(figures: Figures) -> list[tuple[str, dict[str, Any]]]:
    """Those whose maps are shown, with their titles."""
    shown = [(f"growing, after {stage['rung']['context']:,} tokens", stage) for stage in figures[GROWING]["stages"]]
    return [*shown, *((figures[name]["title"], _last(figures, name)) for name in LADDERS[1:])]


def _score_at(stage: Mapping[str, Any], place: int) -> Score:
    cell = stage["evaluation"]["recall"]["lengths"][place]
    return [cell["score"], cell["low"], cell["high"]]


def _ladder_row(figures: Figures, name: str) -> dict[str, Any]:
    """A run's sums over its stages; one that begins with the first stage of the growing run has that one's, too."""
    stages = [*(figures[GROWING]["stages"][:1] if name == SAME_THETA else []), *figures[name]["stages"]]
    longest = _score_at(stages[-1], -1)
    return {
        "title": figures[name]["title"],
        **{figure: sum(stage[figure] for stage in stages) for figure in ("tokens", "answers", "flops")},
        "longest": longest,
        "loss": stages[-1]["validation_loss"],
        "verdict": comparison(_score_at(_last(figures, GROWING), -1), longest),
    }


def _model_row(title: str, stage: Mapping[str, Any]) -> dict[str, Any]:
    suites = stage["evaluation"]
    by_length = [cell["score"] for cell in suites["recall"]["lengths"]]
    return {"title": title, "by_length": by_length, "other": suites["recall-other"]["score"], "json_kv": suites["json-kv"]["score"]}


def _buckets(stage: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    buckets = stage["evaluation"]["positions"]
    return next(bucket for bucket in buckets if bucket["last"] == MIDDLE_END), buckets[-1]


def _position_verdict(middle: Mapping[str, Any], late: Mapping[str, Any]) -> str:
    verdict = comparison(*([bucket[name] for name in ("loss", "low", "high")] for bucket in (middle, late)))
    return {"more": "falls", "less": "rises"}.get(verdict, "shows no change")


def _carries_over(stage: Mapping[str, Any]) -> str:
    other, pairs = (stage["evaluation"][name]["score"] for name in ("recall-other", "json-kv"))
    if other[1] > CHANCE:
        values = "and to JSON values" if pairs[0] else "but not to JSON values"
        return f"The grown model's skill carries over to other words, {values}."
    where = "neither to other words nor to JSON values" if not pairs[0] else "not to other words"
    return f"The grown model's skill carries over {where}: it has learned this task in these words, and no general look-up."


def _weights(examples: Mapping[str, Any], tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Both at the length of the first stage."""
    length = examples["rung"]["context"]
    place = [cell["length"] for cell in examples["evaluation"]["recall"]["lengths"]].index(length)
    one, other = _score_at(examples, place), _score_at(tokens, place)
    losses = {"examples_loss": examples["validation_loss"], "tokens_loss": tokens["validation_loss"]}
    return {"length": length, "examples": one, "tokens": other, "verdict": comparison(one, other), **losses}


def _packing_verdict(masked: float, naive: float) -> str:
    if abs(masked - naive) < PACKING_NATS:
        return f"The difference is below {PACKING_NATS} nats: none is shown."
    return f"Masking is {'better' if masked < naive else 'worse'} by {abs(naive - masked):.3f} nats."
