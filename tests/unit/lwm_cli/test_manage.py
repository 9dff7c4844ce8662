"""`lwm status`, `suspend`, `resume` and `events`, on a folder of local mode and on a cluster behind a kubectl that is a script."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lwm_cli.__main__ import main
from lwm_cli.kubectl_plugin import main as plugin
from lwm_cli.local.folder import TrainingFolder
from lwm_cli.local.manifest import Options, load_local
from lwm_operator.plan.reasons import find_reason
from support.local_training import write_file

STATUS = {
    "phase": "Failed",
    "reason": "DataMissing",
    "message": "stage 1/2 short: attempt 1 failed: no such file",
    "observedResume": 2,
    "summary": {"stage": "1/2 short", "step": "4/12", "loss": "2.5", "tokensPerSecond": "1.2k", "restarts": 3},
    "stages": [
        {
            "name": "short",
            "state": "Failed",
            "step": 4,
            "totalSteps": 12,
            "attempts": 3,
            "committedStep": 3,
            "budgetsUsed": {"infra": 2},
            "recentAttempts": [
                {
                    "number": 3,
                    "state": "Failed",
                    "startedAt": "2026-11-30T10:02:00Z",
                    "finishedAt": "2026-11-30T10:03:00Z",
                    "fromStep": 3,
                    "step": 4,
                    "rootCause": {"class": "Permanent", "reason": "DataMissing", "message": "no such file", "exitCode": 66, "host": 0},
                },
                {
                    "number": 2,
                    "state": "Failed",
                    "startedAt": "2026-11-30T10:00:00Z",
                    "finishedAt": "2026-11-30T10:01:00Z",
                    "fromStep": 0,
                    "step": 5,
                    "committedStep": 3,
                    "rootCause": {
                        "class": "Infra",
                        "reason": "Killed",
                        "exitCode": 137,
                        "host": 1,
                        "pod": "tiny-s1-a2-1-x7k2p",
                        "node": "n2",
                    },
                },
            ],
        }
    ],
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
if words[0] == "logs":
    print("a line of", *words[1:])
    sys.exit()
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


@pytest.mark.parametrize("target", ["runs/tiny", "tiny"])
def test_why_is_the_root_cause_with_what_to_do(calls: Path, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", target]) == 0
    output = capsys.readouterr().out
    rows = dict(line.strip().split(maxsplit=1) for line in output.splitlines() if line[:1].strip())
    assert rows["phase"] == "Failed, DataMissing"
    assert rows["where"] == "host 0, exit code 66"
    assert "stage short, attempt 3: Permanent, DataMissing" in rows["root"]
    assert rows["charged"] == "infra 2 since the newest checkpoint"
    reason = find_reason("DataMissing")
    assert reason is not None
    assert all(sentence in " ".join(output.split()) for sentence in (reason.meaning, reason.fix))
    assert f"lwm logs {target}" in rows["next"]


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ([], "attempt 3, host 0, DataMissing <==\nthird\n"),
        (["--lines", "1"], "attempt 3, host 0, DataMissing <==\nthird\n"),
        (["--attempt", "2"], "attempt 2, host 1, Killed <==\nsecond\nlast of it\n"),
        (["--attempt", "2", "--lines", "1"], "attempt 2, host 1, Killed <==\nlast of it\n"),
        (["--all"], "attempt 2, host 1, Killed <==\nsecond\nlast of it\n==> stage short, attempt 3, host 0, DataMissing <==\nthird\n"),
    ],
)
def test_logs_are_those_of_the_host_that_failed_first(
    folder: TrainingFolder, words: list[str], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for attempt, host, text in ((3, 0, "third\n"), (2, 1, "second\nlast of it\n"), (2, 0, "a peer\n")):
        file = folder.path / "attempts" / f"tiny-s1-a{attempt}" / f"tiny-s1-a{attempt}-{host}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert main(["logs", "runs/tiny", *words]) == 0
    assert capsys.readouterr().out == f"==> stage short, {printed}"


def test_logs_of_a_cluster_are_those_of_the_pod_or_of_the_hosts_index(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs", "tiny", "--all", "-n", "lab"]) == 0
    output = capsys.readouterr().out
    assert "a line of tiny-s1-a2-1-x7k2p --container=trainer --tail=50 --namespace=lab" in output
    assert "a line of --selector=batch.kubernetes.io/job-name=tiny-s1-a3,batch.kubernetes.io/job-completion-index=0" in output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["logs", "runs/tiny"], 1, "No such file or directory: logs of failed attempts stay"),
        (["logs", "runs/tiny", "--attempt", "9"], 2, "--attempt 9: the status of stage short has no such attempt: use one of 2, 3"),
        (["logs", "runs/tiny", "--attempt", "2", "--all"], 2, "give --all or --attempt, not both"),
        (["status", "--watch"], 2, "--watch needs TARGET"),
        (["timeline", "runs/tiny", "--png", "none/a.png"], 2, "--png none/a.png: No such file or directory"),
    ],
)
def test_what_cannot_be_shown_is_told(
    folder: TrainingFolder, arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    assert words in " ".join(capsys.readouterr().err.split())


def test_the_timeline_shows_attempts_and_goodput(folder: TrainingFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", "runs/tiny", "--png", "a.png"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[-1] == "Killed"
    assert "0 to 5, 2 lost" in lines[1]
    assert any(line.startswith("goodput ") for line in lines)
    assert lines[-2].startswith("1 older attempts are no longer in the status")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_watching_ends_with_the_training(folder: TrainingFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "runs/tiny", "--watch"]) == 1
    assert capsys.readouterr().out == "Failed · DataMissing · stage 1/2 short: attempt 1 failed: no such file\n"
    folder.change(lambda body: body.update(status={"phase": "Complete"}))
    assert main(["status", "runs/tiny", "--watch"]) == 0


def test_the_plug_in_means_the_cluster_where_lwm_means_this_machine(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    assert not calls.exists()
    assert plugin(["status"]) == 0
    assert words_of(calls) == [["get", "lwmtrainings", "--output=json"]]
    assert plugin(["status", "runs/tiny"]) == 0
    assert plugin(["why"]) == 2
    assert "Usage: kubectl lwm why" in capsys.readouterr().err
