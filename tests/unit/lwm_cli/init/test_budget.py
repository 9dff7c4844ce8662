"""Steps within a budget, and the file that has them."""

from pathlib import Path

import pytest

from lwm_cli.__main__ import main
from lwm_cli.errors import FileError
from lwm_cli.init.accelerators import parse_accelerator
from lwm_cli.init.budget import Budget, chip_hours_of, within
from lwm_cli.init.ladder import TEXT
from lwm_cli.init.meshes import Proposal
from lwm_cli.training import load
from lwm_trainer.config import Memory, Mesh

PLACES = ["--data", "gs://my-bucket/books", "--tokenizer", "gs://my-bucket/t.json", "--checkpoints", "gs://my-bucket/runs"]
CHIPS = parse_accelerator("v5p-16")
STAGES = [(rung, Proposal(Mesh(), Memory(), 0, seconds)) for rung, seconds in zip(TEXT[:2], (9.0, 18.0), strict=True)]
HOURS = 8 * (1200 * 9 + 3000 * 18) / 3600


def test_the_hours_are_those_of_all_chips() -> None:
    assert chip_hours_of(STAGES, CHIPS) == pytest.approx(HOURS)
    assert within(STAGES, CHIPS, Budget(HOURS + 1))[0] == STAGES


@pytest.mark.parametrize("budget", [Budget(HOURS / 2), Budget(HOURS, price=2.0)])
def test_a_smaller_budget_cuts_each_stage_in_proportion_and_says_so(budget: Budget) -> None:
    cut, sentence = within(STAGES, CHIPS, budget)
    assert [rung.steps for rung, _ in cut] == [600, 1500]
    assert sentence.startswith("--budget reaches 50% of LWM's steps: all of them take about 144 chip-hours")
    assert (" for 288" in sentence) == (budget.price is not None)


def test_one_that_ends_a_stage_within_its_warm_up_is_refused_with_the_least() -> None:
    least = HOURS * 101 / 1200
    with pytest.raises(FileError, match="within its warm-up: give at least 13 chip-hours"):
        within(STAGES, CHIPS, Budget(0.99 * least))
    with pytest.raises(FileError, match=r"give at least 37 \(12 chip-hours\)"):
        within(STAGES, CHIPS, Budget(36, price=3))
    assert [rung.steps for rung, _ in within(STAGES, CHIPS, Budget(1.001 * least))[0]] == [101, 252]
    for enough in (Budget(13), Budget(37, price=3)):
        assert within(STAGES, CHIPS, enough)[0][0][0].steps > 100


def test_the_file_has_the_steps_and_the_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "training.yaml"
    words = ["--model", "llama3-8b", "--accelerator", "8xH200", "--target-length", "32k", "--from-scratch"]
    assert main(["init", *words, *PLACES, "--budget", "100", "--out", str(file)]) == 0
    assert "--budget reaches " in capsys.readouterr().err
    assert 100 < load(file).spec.stages[0].total_steps < 1200
    assert "--target-length 32k --budget 100\n" in file.read_text()
    assert "# --budget reaches " in file.read_text()


def test_options_that_mean_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    cpu = ["init", "--model", "tiny", "--accelerator", "cpu-4", *PLACES]
    assert main([*cpu, "--price", "2"]) == 2
    assert "--price is of --budget" in capsys.readouterr().err
    assert main([*cpu, "--budget", "3"]) == 2
    assert "the speed of CPU devices is not known" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--budget=nan", "--budget=inf", "--price=nan", "--price=inf"])
def test_amounts_are_finite(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["init", "--model", "llama3-8b", "--accelerator", "8xH200", "--from-scratch", *PLACES]
    assert main([*words, *(["--budget=100"] if "price" in option else []), option]) == 2
    assert "is not a finite number" in capsys.readouterr().err
