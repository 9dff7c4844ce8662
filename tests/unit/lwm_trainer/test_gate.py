"""The gate's comparison, and questions that are made before the first step. Asking is tested in tests/processes."""

from pathlib import Path
from typing import Any

import pytest

from lwm_trainer.config import RunConfig, SuiteScore, ValidationLoss
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataMissingError
from lwm_trainer.gate import GateSuites, require_gate
from lwm_trainer.runtime.errors import GateFailedError
from processes.gang import a_run
from support.byte_tokenizer import byte_tokenizer_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("gate")
    (made / "tokenizer.json").write_text(byte_tokenizer_json(), encoding="utf-8")
    (made / "held-out").mkdir()
    (made / "held-out" / "a.txt").write_text("It rained. Nobody came. " * 20)
    return made


def gated(folder: Path, gate: dict[str, Any], **changes: Any) -> RunConfig:
    return RunConfig.model_validate(a_run(folder, gate=gate, contextLength=1024, batchTokens=1024, **changes))


def suite(folder: Path, **changes: Any) -> dict[str, Any]:
    haystack = {"uri": str(folder / "held-out"), "field": "text"}
    plain = {"suite": "needle", "lengths": [512], "depths": 2, "rounds": 1, "answers": "forced", "minScore": 0.5, "haystack": haystack}
    return plain | changes


def made(run: RunConfig) -> list[tuple[str, int]]:
    """Each suite with its number of questions."""
    tokenizer = Tokenizer.load(run.tokenizer, run.model.vocab_size)
    return [(each.name, len(each.question_keys())) for _, each in GateSuites(run, tokenizer).suites]


def test_questions_are_made_and_a_waived_gate_has_none(folder: Path) -> None:
    pairs = suite(folder, suite="json-kv", rounds=3, haystack=None)
    assert made(gated(folder, {"suites": [suite(folder), pairs]})) == [("needle", 2), ("json-kv", 6)]
    assert made(gated(folder, {"suites": [pairs]}, start={"gateWaived": True})) == []
    deep = {"depths": None, "rounds": None}
    walks = suite(folder, suite="graphwalks", lengths=[1024], samples=3, haystack=None, answers="generated", **deep)
    facts = suite(folder, suite="babilong", lengths=[700], samples=1, tasks=["qa1"], answers="likeliest", **deep)
    assert made(gated(folder, {"suites": [walks, facts]})) == [("graphwalks", 6), ("babilong", 1)]
    assert made(gated(folder, {"maxValidationLoss": 3.0})) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rounds": 9}, r"gate.suites\[0\], needle: haystack: has \d+ tokens left, but \d+ are needed: give more text"),
        ({"lengths": [100]}, r"gate.suites\[0\], needle: a length of 100 tokens has room for 0 of the haystack"),
        (
            {"suite": "ruler", "depths": None, "rounds": None, "tasks": ["vtt"], "answers": "generated"},
            r"gate.suites\[0\], ruler: tasks: vtt: give some of",
        ),
        ({"haystack": None}, r"gate.suites\[0\], needle: haystack is missing: name a data set of texts"),
    ],
)
def test_what_cannot_be_asked_is_said_before_the_first_step(folder: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataMissingError, match=words):
        made(gated(folder, {"suites": [suite(folder, **changes)]}))


def score(value: float) -> SuiteScore:
    return SuiteScore(suite="needle", score=value, low=0.1, high=0.9, questions=20, min_score=0.5)


@pytest.mark.parametrize(
    ("loss", "score_value", "problems"),
    [
        (2.9, 0.5, []),
        (3.1, 0.5, ["validation loss 3.1000 is above gate.maxValidationLoss 3 (held-out text 3.1000)"]),
        (float("nan"), 0.5, ["validation loss nan is above"]),
        (2.9, 0.49, ["gate.suites: needle score 0.490 of 20 questions (95 % interval 0.100 to 0.900) is below minScore 0.5"]),
        (3.1, 0.49, ["validation loss", "; gate.suites: needle"]),
    ],
)
def test_all_that_fails_is_named(folder: Path, loss: float, score_value: float, problems: list[str]) -> None:
    run = gated(folder, {"maxValidationLoss": 3.0, "suites": [suite(folder)]})
    losses = [ValidationLoss(step=12, dataset="held-out", modality="text", loss=loss, targets=9, positions=())]
    if not problems:
        require_gate(run, losses, [score(score_value)])
        return
    with pytest.raises(GateFailedError) as raised:
        require_gate(run, losses, [score(score_value)])
    assert all(problem in str(raised.value) for problem in problems)
    waived = run.model_copy(update={"start": run.start.model_copy(update={"gate_waived": True})})
    require_gate(waived, losses, [])
