"""Cells, table and file of results from answers that are known."""

import json
from xml.etree import ElementTree

import pytest

from lwm_trainer.evaluation.binomial import wilson_interval
from lwm_trainer.evaluation.heat_map import draw_heat_map
from lwm_trainer.evaluation.results import cells, overall, results, table
from lwm_trainer.evaluation.run_suite import Answer
from lwm_trainer.evaluation.suite import Key
from lwm_trainer.evaluation.suites.json_kv import JsonKvSettings, JsonKvSuite
from support.letter_tokens import tokenize


def answers(variant: str = "") -> list[Answer]:
    """Two answers for both lengths and depths: all right at the beginning, half right and wrong at the end."""
    scores = {0.0: [1.0, 1.0], 1.0: [0.5, 0.0]}
    return [
        Answer(Key(length, variant, depth, number), ("x",), "y", score, 0.25, {})
        for length in (64, 1024)
        for depth, of_depth in scores.items()
        for number, score in enumerate(of_depth)
    ]


def test_cells_have_counts_means_and_the_interval_of_wilson() -> None:
    by_depth = cells(answers(), by_depth=True)
    assert [(cell.length, cell.depth, cell.questions, cell.right, cell.score) for cell in by_depth[:2]] == [
        (64, 0.0, 2, 2, 1.0),
        (64, 1.0, 2, 0, 0.25),
    ]
    (first, _) = cells(answers(), by_depth=False)
    assert (first.right, first.questions, first.score, first.chance) == (2, 4, 0.625, 0.25)
    assert (first.low, first.high) == wilson_interval(2.5, 4)


def test_the_table_shows_score_interval_chance_and_counts_by_depth() -> None:
    low, high = wilson_interval(2.5, 4)
    line = table(answers()).splitlines()[2]
    assert line.split() == ["1,024", "62", "%", f"[{100 * low:.0f}-{100 * high:.0f}]", "25", "%", "2/2", "0/2"]
    assert table(answers("two words")).splitlines()[1].startswith("two words")


def test_the_file_has_what_comparisons_of_lm_eval_read() -> None:
    suite = JsonKvSuite(JsonKvSettings(lengths=(64,), depths=(0.0, 1.0)), tokenize)
    written = json.loads(json.dumps(results(suite, "runs/a", "generated", answers("b c"))))
    assert {"results", "versions", "n-shot", "configs", "higher_is_better", "n-samples", "config", "group_subtasks"} <= written.keys()
    task = written["results"]["json-kv_b_c_64"]
    assert task["score,none"] == 0.625
    assert task["score_stderr,none"] == pytest.approx(0.2394, abs=1e-4)
    assert written["versions"] == {"json-kv_b_c_64": 1, "json-kv_b_c_1024": 1}
    assert written["configs"]["json-kv_b_c_64"]["metadata"]["seed"] == 0
    assert len(written["cells"]) == 4


def test_the_picture_has_a_cell_for_each_length_and_depth_with_its_counts() -> None:
    picture = ElementTree.fromstring(draw_heat_map(cells(answers(), by_depth=True), "known <answers>"))  # noqa: S314 - our own
    texts = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[:3] == ["known <answers>", "0 %", "100 %"]
    assert [text for text in texts if text and "/" in text] == ["2/2", "0.5/2", "2/2", "0.5/2"]
    assert {"64", "1,024"} <= set(texts)
    fills = [each.get("fill") for each in picture.iter("{http://www.w3.org/2000/svg}rect")]
    assert fills[1] == "#08306b"
    assert len(set(fills[1:])) == 2


def test_all_answers_together_have_a_mean_and_its_interval() -> None:
    assert overall(answers()) == (0.625, *wilson_interval(5, 8))
