"""Files of `lwm eval` as a report shows them."""

import json
from pathlib import Path

import pytest

from lwm_trainer.evaluation.perplexity import DocumentLoss
from lwm_trainer.evaluation.perplexity_results import perplexity_results
from lwm_trainer.evaluation.results import write_results
from lwm_trainer.evaluation.run_suite import Answer
from lwm_trainer.evaluation.suites.json_kv import JsonKvSettings, JsonKvSuite
from lwm_trainer.report.evaluations import ResultsError, read_evaluations
from support.letter_tokens import tokenize


def write_suite(folder: Path) -> None:
    """Right at the beginning, wrong at the end, two answers each."""
    folder.mkdir(parents=True)
    suite = JsonKvSuite(JsonKvSettings(lengths=(64, 1024), depths=(0.0, 1.0), rounds=2), tokenize)
    answers = [Answer(key, ("x",), "y", float(key.depth == 0), 0.25, {}) for key in suite.question_keys()]
    write_results(folder, suite, "runs/a b/1", "forced", answers)


def test_scores_counts_and_the_map_are_those_of_the_file_and_the_command_makes_it_again(tmp_path: Path) -> None:
    write_suite(tmp_path / "evals" / "json")
    (evaluation,) = read_evaluations([tmp_path])
    assert [(line.name, line.score, line.chance, line.questions) for line in evaluation.lines] == [
        ("64 tokens", "50 %", "25 %", "2 of 4"),
        ("1,024 tokens", "50 %", "25 %", "2 of 4"),
    ]
    assert evaluation.map is not None
    assert evaluation.map.columns == ("64", "1,024")
    texts = [(name, [cell.text for cell in cells if cell is not None]) for name, cells in evaluation.map.rows]
    assert texts == [("0 %", ["2/2", "2/2"]), ("100 %", ["0/2", "0/2"])]
    out = tmp_path / "evals" / "json"
    assert evaluation.command == (
        f"lwm eval json-kv 'runs/a b/1' --lengths 64,1024 --depths 2 --rounds 2 --seed 0 --answers forced --out {out}"
    )


def test_perplexity_is_a_sentence_and_a_curve(tmp_path: Path) -> None:
    fields = perplexity_results([DocumentLoss(0, 4, 0, (2.0, 1.0, 3.0))], "runs/a/1", {"text": "held-out"})
    (tmp_path / "results.json").write_text(json.dumps(fields))
    (evaluation,) = read_evaluations([tmp_path])
    assert evaluation.summary.startswith("1.5000 nats per token, a perplexity of 4.48, over 4 tokens in 1 documents")
    assert evaluation.curve is not None
    assert "--text held-out" in evaluation.command


def test_folders_without_results_and_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"--evals .*: no results\.json is there or below"):
        read_evaluations([tmp_path])
    for text in ("{", "{}", '{"suite": "x", "cells": [{}], "config": {"model_args": "a"}}'):
        (tmp_path / "results.json").write_text(text)
        with pytest.raises(ResultsError, match=r"results\.json: cannot be read as results of lwm eval"):
            read_evaluations([tmp_path])
