"""Following a training: what is shown, and how it ends."""

import io
from pathlib import Path
from typing import Any

import pytest

from quickstart.watch import TrainingError, stage_seconds, table, watch
from tools.kubectl import CommandError, Kubectl


def training(phase: str = "Running", conditions: tuple[tuple[str, str, str], ...] = (), step: int = 5) -> dict[str, Any]:
    stage = {"name": "ctx512", "state": "Running", "step": step, "loss": "5.4321", "tokensPerSecond": "4123.5", "restarts": 1}
    return {
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "stages": [
                {"name": "ctx512", "contextLength": 512, "ropeTheta": 10000, "steps": 60},
                {"name": "ctx1024", "contextLength": 1024, "ropeTheta": 20000, "tokens": 40960, "batchTokens": 4096},
            ]
        },
        "status": {
            "phase": phase,
            "message": "stage 1 of 2",
            "stages": [stage],
            "summary": {"stage": "1/2 ctx512", "step": f"{step}/60"},
            "conditions": [{"type": kind, "status": status, "reason": "Because", "message": text} for kind, status, text in conditions],
        },
    }


class Scripted(Kubectl):
    """Answers in turn; an exception is raised."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        super().__init__(Path("/none"))
        object.__setattr__(self, "answers", list(answers))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        answers: list[dict[str, Any] | Exception] = self.__dict__["answers"]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def follow(kubectl: Kubectl, out: io.StringIO | None = None, seconds: float = 60) -> dict[str, Any]:
    return watch(kubectl, "bible", seconds, out or io.StringIO(), sleep=lambda _: None)


def test_complete_ends_it_and_the_table_tells_each_stage() -> None:
    done = training("Complete", (("Accepted", "True", ""), ("Complete", "True", "")), step=60)
    assert follow(Scripted(training(), CommandError("one moment"), done)) == done
    rows = table(training())
    assert rows[1].split() == ["ctx512", "512", "10,000", "Running", "5/60", "5.432", "4,124", "1"]
    assert rows[2].split() == ["ctx1024", "1,024", "20,000", "Pending", "0/10", "0"]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ((("Failed", "True", "tokenizer missing"),), "Because: tokenizer missing"),
        ((("Accepted", "False", "bad mesh"),), "Because: bad mesh"),
    ],
)
def test_failed_and_refused_raise_with_the_reason(conditions: tuple[tuple[str, str, str], ...], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        follow(Scripted(training("Failed", conditions)))


def test_conditions_that_do_not_hold_do_not_end_it() -> None:
    with pytest.raises(TrainingError, match="not complete after 0 s: Running"):
        follow(Scripted(training("Running", (("Failed", "False", ""), ("Complete", "False", ""), ("Accepted", "True", "")))), seconds=0)


def test_deleted_and_unreachable_raise() -> None:
    with pytest.raises(TrainingError, match="was deleted"):
        follow(Scripted({}))
    with pytest.raises(CommandError, match="no route"):
        follow(Scripted(CommandError("no route")))


def test_an_operator_that_never_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quickstart.watch._SILENT_SECONDS", 0.0)
    with pytest.raises(TrainingError, match="has no status after 0 s: the operator is not running"):
        follow(Scripted({key: value for key, value in training().items() if key != "status"}))


def test_a_terminal_is_redrawn_and_a_pipe_gets_few_lines() -> None:
    done = training("Complete", (("Complete", "True", ""),))
    steps = [training(step=step) for step in range(20)]
    terminal, pipe = Terminal(), io.StringIO()
    follow(Scripted(*steps, done), terminal)
    follow(Scripted(*steps, done), pipe)
    assert terminal.getvalue().count("\x1b[4A") == 20
    assert "\x1b" not in pipe.getvalue()
    assert len(pipe.getvalue().splitlines()) == 2


def test_stage_times_run_from_end_to_end() -> None:
    complete = training()
    complete["status"]["stages"] = [{"completedAt": "2026-01-01T00:01:30Z"}, {"completedAt": "2026-01-01T00:02:00Z"}, {"name": "c"}]
    assert stage_seconds(complete) == [90.0, 30.0]
