"""The page says what its figures say, and turns its verdicts when they turn."""

from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from quickstart.proof.page import comparison, page, write_page
from quickstart.proof.trainings import GROWING, LONGEST, MASKED, NAIVE, TOKEN_MEAN, runs

LENGTHS = (128, 256, 2048)


def cell(length: int, depth: float | None, right: int, questions: int = 80) -> dict[str, Any]:
    score = right / questions
    bounds = {"low": max(score - 0.1, 0), "high": score + 0.1}
    return {"length": length, "depth": depth, "right": right, "questions": questions, "score": score, **bounds}


def evaluation(right: int) -> dict[str, Any]:
    lengths = [cell(length, None, right) for length in LENGTHS]
    buckets = [
        {"first": 0, "last": 255, "loss": 4.5, "low": 4.4, "high": 4.6},
        {"first": 256, "last": 2046, "loss": 4.45, "low": 4.35, "high": 4.55},
    ]
    return {
        "recall": {"lengths": lengths, "cells": [cell(length, depth, right // 8, 10) for length in LENGTHS for depth in (0.0, 1.0)]},
        "recall-other": {"score": [0.01, 0.0, 0.03]},
        "json-kv": {"score": [0.0, 0.0, 0.09]},
        "positions": buckets,
    }


@pytest.fixture
def figures() -> dict[str, Any]:
    made: dict[str, Any] = {}
    for run in runs():
        stages = [
            {"rung": asdict(rung), "tokens": rung.tokens, "answers": 100, "flops": 1e12, "validation_loss": 4.5}
            | ({} if run.chats else {"evaluation": evaluation(72 if run.name == GROWING else 8)})
            for rung in run.rungs
        ]
        made[run.name] = {"title": run.title, "cpu_seconds": 100.0, "stages": stages}
    return made


def test_a_page_has_the_figures_of_its_runs(figures: dict[str, Any]) -> None:
    text = page(figures)
    assert "| grown by stages, θ grows | 663,552 | 300 | 3.00e+12 | 90 % (80 to 100) | 4.50 |" in text
    assert "| all at the longest length | 663,552 | 100 | 1.00e+12 | 10 % (0 to 20) | 4.50 |" in text
    assert "beside *all at the longest length*: **more**. That run took 0.33 times its FLOPs." in text
    assert "90 % (80 to 100) beside 10 % (0 to 20), so LWM's weights recall\n**more**" in text
    assert "neither to other words nor to JSON values" in text
    assert "shows no change" in text
    assert "The difference is below 0.01 nats: none is shown." in text
    assert "\n\n\n" not in text


def test_verdicts_turn_with_the_figures(figures: dict[str, Any]) -> None:
    turned = deepcopy(figures)
    turned[LONGEST]["stages"][-1]["evaluation"] = evaluation(76)
    turned[TOKEN_MEAN]["stages"][-1]["evaluation"] = evaluation(80)
    turned[MASKED]["stages"][0]["validation_loss"], turned[NAIVE]["stages"][0]["validation_loss"] = 4.2, 4.3
    growing = turned[GROWING]["stages"][-1]["evaluation"]
    growing["recall-other"]["score"] = [0.5, 0.4, 0.6]
    growing["positions"][1] |= {"loss": 4.0, "low": 3.9, "high": 4.1}
    text = page(turned)
    assert "beside *all at the longest length*: **no difference that these questions show**" in text
    assert "so LWM's weights recall\n**no difference that these questions show**" in text
    assert "Masking is better by 0.100 nats." in text
    assert "carries over to other words, but not to JSON values." in text
    assert "falls: 4.50" in text
    assert "gains nothing from far context" not in text


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ((0.5, 0.41, 0.6), (0.3, 0.2, 0.4), "more"),
        ((0.3, 0.2, 0.4), (0.5, 0.41, 0.6), "less"),
        ((0.5, 0.4, 0.6), (0.3, 0.2, 0.4), "no difference that these questions show"),
    ],
)
def test_intervals_that_overlap_show_no_difference(one: tuple[float, ...], other: tuple[float, ...], verdict: str) -> None:
    assert comparison(one, other) == verdict


def test_the_page_comes_with_its_pictures(tmp_path: Path, figures: dict[str, Any]) -> None:
    write_page(figures, tmp_path)
    for line in (tmp_path / "proof.md").read_text().splitlines():
        if line.startswith("!["):
            assert (tmp_path / line.partition("(")[2].rstrip(")")).read_bytes().startswith(b"\x89PNG")
