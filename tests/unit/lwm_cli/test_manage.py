"""`lwm status`, `suspend`, `resume` and `events`, on a folder of local mode and on a cluster behind a kubectl that is a script."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lwm_cli.__main__ import main
from lwm_cli.local.folder import TrainingFolder
from lwm_cli.local.manifest import Options, load_local
from support.local_training import write_file

STATUS = {
    "phase": "Failed",
    "reason": "DataMissing",
    "message": "stage 1/2 short: attempt 1 failed: no such file",
    "observedResume": 2,
    "summary": {"stage": "1/2 short", "step": "4/12", "loss": "2.5", "tokensPerSecond": "1.2k", "restarts": 3},
    "stages": [{"name": "short", "state": "Failed", "step": 4, "totalSteps": 12}],
}
EVENT = {"time": "2026-11-30T10:00:00Z", "type": "Warning", "reason": "AttemptFailed", "message": "attempt 1 failed", "key": "a"}
KUBECTL = """#!{python} -IS
import json, pathlib, sys
words = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps(words) + "\\n")
if "absent" in words:
    sys.exit('Error from server (NotFound): lwmtrainings.lwm.dev "absent" not found')
training = json.loads(pathlib.Path({training!r}).read_text())
event = {{"eventTime": {time!r}, "type": "Warning", "reason": "AttemptFailed", "note": "attempt 1 failed", "series": {{"count": 4}}}}
if words[1].startswith("events"):
    print(json.dumps({{"items": [event]}}))
else:
    print(json.dumps(training if "tiny" in words else {{"items": [training]}}))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingFolder:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    spec = load_local(write_file(tmp_path), Options(), None).spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    folder = TrainingFolder(tmp_path / "runs" / "tiny")
    folder.create("tiny", spec)
    folder.change(lambda body: body.update(status=STATUS))
    folder.add_event(EVENT)
    return folder


@pytest.fixture
def calls(folder: TrainingFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the words of each call of kubectl, whose cluster has the folder's training."""
    log, programs = tmp_path / "calls", tmp_path / "programs"
    programs.mkdir()
    program = programs / "kubectl"
    training = str(folder.path / "training.json")
    program.write_text(KUBECTL.format(python=sys.executable, log=str(log), training=training, time=EVENT["time"]))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    return log


def words_of(calls: Path) -> list[list[str]]:
    return [json.loads(line) for line in calls.read_text().splitlines()]


@pytest.mark.parametrize("arguments", [["runs/tiny"], [], ["tiny"], ["-n", "default"]])
def test_one_table_shows_a_folder_and_a_cluster(calls: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "stage", "phase", "step", "loss", "tok/s", "restarts", "reason", "age"]
    assert lines[1].split()[:-1] == ["tiny", "1/2", "short", "Failed", "4/12", "2.5", "1.2k", "3", "DataMissing"]
    assert any("no such file" in line for line in lines) == (arguments in (["runs/tiny"], ["tiny"])), "one training is shown whole"


def test_json_is_the_object(folder: TrainingFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "runs/tiny", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == folder.body()


def test_suspend_and_resume_change_the_folders_spec(folder: TrainingFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suspend", "runs/tiny"]) == 0
    assert folder.training().spec.suspend
    assert main(["resume", "runs/tiny"]) == 0
    spec = folder.training().spec
    assert (spec.suspend, spec.resume) == (False, 3), "it was Failed, and spec.resume 2 was seen"
    assert capsys.readouterr().out.count("no lwm train works on this folder") == 2
    with folder.lock():
        main(["resume", "runs/tiny"])
    assert "no lwm train" not in capsys.readouterr().out


def test_suspend_and_resume_patch_the_clusters_object(calls: Path) -> None:
    assert main(["suspend", "tiny", "--context", "mine", "-n", "lab"]) == 0
    assert main(["resume", "tiny"]) == 0
    patches = [call for call in words_of(calls) if call[0] == "patch"]
    options = ["--namespace=lab", "--context=mine"]
    assert patches[0] == ["patch", "lwmtrainings", "tiny", "--type=merge", '--patch={"spec": {"suspend": true}}', "--output=json", *options]
    assert '--patch={"spec": {"suspend": false, "resume": 3}}' in patches[1]


@pytest.mark.parametrize(("target", "count"), [("runs/tiny", "1"), ("tiny", "4")])
def test_events_are_listed(calls: Path, target: str, count: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", target]) == 0
    line: Any = capsys.readouterr().out.splitlines()[1].split(maxsplit=4)
    assert line == [EVENT["time"], "Warning", "AttemptFailed", count, "attempt 1 failed"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["status", "absent"], 1, 'lwmtrainings.lwm.dev "absent" not found'),
        (["suspend", "runs/none"], 1, "runs/none: no lwm train has written there"),
        (["events"], 2, "Missing argument 'TARGET'"),
    ],
)
def test_what_is_not_there_is_named(calls: Path, arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == code
    assert words in capsys.readouterr().err


def test_without_kubectl_it_says_what_it_is_for(
    folder: TrainingFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["status", "tiny"]) == 1
    assert "kubectl is not installed: it is needed for trainings in a cluster" in capsys.readouterr().err


def test_no_training_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["status"]) == 0
    assert "no trainings: start one with `lwm train FILE`" in capsys.readouterr().out
