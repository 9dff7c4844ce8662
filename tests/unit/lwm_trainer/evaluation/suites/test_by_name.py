"""Suites by name: each is the suite of its name, and takes of the values what its settings have."""

from typing import get_args

import numpy as np
import pytest

from lwm_trainer.config import GATE_ANSWER_TOKENS, GATE_TASKS, RULER_TEXT_TASKS, GateSuiteName
from lwm_trainer.evaluation.suite import Tokens
from lwm_trainer.evaluation.suites import babilong
from lwm_trainer.evaluation.suites.by_name import SUITES, make_suite
from lwm_trainer.evaluation.suites.ruler import suite as ruler


def tokenize(text: str) -> Tokens:
    return np.frombuffer(text.encode(), np.uint8).astype(np.int32)


def test_gates_know_every_suite_of_texts() -> None:
    assert set(get_args(GateSuiteName)) == set(SUITES)


def test_the_operator_knows_the_tasks_of_the_suites() -> None:
    assert {name: sorted(tasks) for name, tasks in GATE_TASKS.items()} == {
        "ruler": sorted(ruler.TASKS),
        "babilong": sorted(babilong.TASKS),
    }
    assert sorted(RULER_TEXT_TASKS) == sorted(ruler.TEXT_TASKS)


def test_the_operator_knows_the_room_that_each_suite_leaves_for_an_answer() -> None:
    values = {"lengths": (700,), "depths": (0.5,), "rounds": 2, "samples": 3}
    made = {name: make_suite(name, values, lambda: iter(["It rained. " * 200]), tokenize) for name in SUITES}
    assert {name: suite.answer_tokens for name, suite in made.items()} == GATE_ANSWER_TOKENS


@pytest.mark.parametrize("name", list(SUITES))
def test_a_suite_has_its_name_and_the_values_of_its_settings(name: str) -> None:
    values = {"lengths": (700,), "depths": (0.5,), "rounds": 2, "samples": 3, "seed": 4}
    suite = make_suite(name, values, lambda: iter(["It rained. " * 200]), tokenize)
    settings = suite.settings()
    assert (suite.name, settings["lengths"], settings["seed"]) == (name, (700,), 4)
    assert ("samples" in settings) != ("rounds" in settings)
    assert settings.get("samples", 3) == 3
    assert settings.get("rounds", 2) == 2
