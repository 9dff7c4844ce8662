"""One step's numbers, and the line that is printed of them."""

import json
import math

import pytest

from lwm_trainer.config import STEP_LINE_PREFIX
from lwm_trainer.runtime.step_report import print_step_line
from support.builders import a_step_report


def test_throughput_follows_from_the_batch() -> None:
    assert a_step_report(3, seconds=2.0, batch_tokens=4096).tokens_per_second == 2048.0


def test_a_step_diverges_when_its_loss_or_its_gradient_is_not_finite() -> None:
    assert not a_step_report().diverged
    assert a_step_report(loss=math.nan).diverged
    assert a_step_report(grad_norm=math.inf).diverged


def test_a_step_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_step_line(a_step_report(3, loss=5.5, grad_norm=math.inf, seconds=1.25, batch_tokens=4096))
    line = capsys.readouterr().out
    assert line.startswith(STEP_LINE_PREFIX)
    assert line.count("\n") == 1
    assert list(json.loads(line.removeprefix(STEP_LINE_PREFIX)).items()) == [
        ("step", 3),
        ("loss", 5.5),
        ("gradNorm", None),
        ("paramNorm", 8.0),
        ("tokensPerSecond", 3276.8),
        ("stepSeconds", 1.25),
        ("dataWaitSeconds", 0.0),
        ("tokensSeen", 12288),
    ]


def test_a_step_s_line_shows_each_modality_s_loss_and_null_where_it_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    print_step_line(a_step_report(3, loss=5.5, modality_losses={"text": 4.5, "vision": math.nan}))
    line = json.loads(capsys.readouterr().out.removeprefix(STEP_LINE_PREFIX))
    assert (line["loss"], line["textLoss"], line["visionLoss"]) == (5.5, 4.5, None)


def test_a_step_s_line_says_whether_it_was_skipped_where_steps_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_step_line(a_step_report(3, skipped=True))
    assert json.loads(capsys.readouterr().out.removeprefix(STEP_LINE_PREFIX))["skipped"] is True
