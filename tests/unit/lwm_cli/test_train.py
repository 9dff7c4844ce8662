"""`lwm train` as a command: what it stores, what it refuses, and what its exit code says."""

from pathlib import Path

import pytest

from lwm_cli import train as module
from lwm_cli.__main__ import main
from lwm_cli.local.folder import TrainingFolder
from lwm_cli.local.follow import Outcome
from support.local_training import write_file


@pytest.fixture(autouse=True)
def followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Outcome]:
    """Outcomes with which following the training ends, one for each command. Nothing is trained."""
    outcomes: list[Outcome] = []

    async def follow(*_: object) -> Outcome:
        return outcomes.pop(0)

    monkeypatch.setattr(module, "follow", follow)
    monkeypatch.chdir(tmp_path)
    return outcomes


def test_the_exit_code_says_how_it_ended(followed: list[Outcome], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    followed += [Outcome.LEFT, Outcome.STOPPED, Outcome.COMPLETE]
    file = str(write_file(tmp_path))
    assert [main(["train", file]) for _ in range(3)] == [130, 1, 0]
    uid = TrainingFolder(Path("runs/tiny")).training().metadata.uid
    assert f"status and logs in runs/tiny, checkpoints in {tmp_path}/runs/default/tiny-{uid[:8]}" in capsys.readouterr().out


def test_checkpoints_of_a_claim_go_below_the_folder(followed: list[Outcome], tmp_path: Path) -> None:
    followed.append(Outcome.COMPLETE)
    file = write_file(tmp_path, ("{uri: file:runs, ", "{pvc: {claimName: data}, "))
    assert main(["train", str(file)]) == 0
    assert TrainingFolder(Path("runs/tiny")).training().spec.checkpoint.uri == f"{tmp_path}/runs/tiny/checkpoints"


def test_a_stopped_training_goes_on_with_new_budgets(followed: list[Outcome], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    followed += [Outcome.STOPPED, Outcome.COMPLETE, Outcome.COMPLETE]
    file = str(write_file(tmp_path))
    main(["train", file])
    folder = TrainingFolder(Path("runs/tiny"))
    folder.change(lambda body: body.update(status={"phase": "Failed", "observedResume": 0}))
    main(["train", file])
    assert "it was Failed, and goes on with new budgets: spec.resume 1" in capsys.readouterr().out
    main(["train", file])
    assert folder.training().spec.resume == 1, "once for each time that it stopped"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.yaml"], "none.yaml: No such file or directory"),
        (["tiny.yaml", "--source", "none=/x"], "--source none=/x: spec.datasets has no [none]: use a number from 0 to 0, or one of words"),
        (["tiny.yaml", "--set", "model.layers=3"], "runs/tiny holds a training with another spec.model, which cannot change"),
        (["tiny.yaml", "--tokenizer", "/none"], "spec.tokenizer.uri: /none does not exist"),
        (["tiny.yaml", "--nonsense"], "No such option"),
        ([], "Missing argument 'FILE'"),
    ],
)
def test_what_is_wrong_is_named_with_exit_code_2(
    followed: list[Outcome], tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    followed.append(Outcome.COMPLETE)
    main(["train", str(write_file(tmp_path))])
    assert main(["train", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_folder_in_use_is_left_alone(followed: list[Outcome], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(write_file(tmp_path))
    with TrainingFolder(Path("runs/tiny")).lock():
        assert main(["train", file]) == 2
    assert "lwm train works on it already" in capsys.readouterr().err


def test_help_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    assert "130 left on request" in capsys.readouterr().out
