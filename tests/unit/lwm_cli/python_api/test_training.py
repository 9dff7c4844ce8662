"""`lwm.Training`: what it refuses, starts, waits for and shows. The commands that it starts are scripts."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import lwm
from lwm_cli.local.folder import TrainingFolder
from lwm_cli.python_api import training
from lwm_operator.api.spec import Spec
from lwm_operator.api.status import Phase
from support.local_training import write_file

LWM = """#!{python} -IS
import json, pathlib, sys
words = sys.argv[1:]
if "--refuse" in {extra!r}:
    print("it is refused")
    sys.exit(2)
body = json.loads(pathlib.Path(words[3]).read_text())
folder = pathlib.Path(words[4].removeprefix("--out=")) if words[4:] else pathlib.Path("runs", body["metadata"]["name"])
about = {{"namespace": "default", "uid": "u", "generation": 1, "resourceVersion": "1", "creationTimestamp": "2026-11-30T10:00:00Z"}}
done = {{**body, "metadata": {{**body["metadata"], **about}}, "status": {{"phase": "Complete", "message": "done"}}}}
(folder / "training.json").write_text(json.dumps(done))
"""
KUBECTL = """#!{python} -IS
import json, pathlib, sys
store, words = pathlib.Path({store!r}), sys.argv[1:]
store.with_suffix(".words").write_text(json.dumps(words))
if words[0] == "apply":
    body = json.loads(sys.stdin.read())
    body["metadata"] |= {{"uid": "u", "namespace": "lab", "generation": 2}}
    store.write_text(json.dumps(body))
else:
    print(store.read_text())
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(training, "CLUSTER_POLL_SECONDS", 0.01)
    return tmp_path


def script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def command(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lwm train` is at its end at once."""
    monkeypatch.setattr(sys, "executable", script(place / "lwm", LWM.format(python=sys.executable, extra="")))


@pytest.fixture
def cluster(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which a kubectl keeps the cluster's one training."""
    (place / "programs").mkdir()
    script(place / "programs" / "kubectl", KUBECTL.format(python=sys.executable, store=str(place / "store")))
    monkeypatch.setenv("PATH", str(place / "programs"))
    return place / "store"


def test_a_file_is_trained_and_waited_for(place: Path, command: None) -> None:
    lines: list[str] = []
    made = lwm.Training.from_file(write_file(place), settings={"stages[0].steps": np.int64(7), "model.layers": 3}, out="here")
    assert made.apply().wait(show=lines.append).phase == Phase.COMPLETE
    assert lines == ["Complete · done"]
    stored = TrainingFolder(Path("here")).training()
    assert (stored.spec.stages[0].steps, stored.spec.model.layers) == (7, 3)
    assert stored.spec.checkpoint.uri == f"{place}/here/checkpoints"
    assert lwm.Training.at("here").status() == stored.status


def test_fields_and_models_are_the_same_training(place: Path, command: None) -> None:
    spec = lwm.Training.from_file(write_file(place)).apply().wait() and TrainingFolder(Path("runs/tiny")).training().spec
    assert isinstance(spec, Spec)
    fields = TrainingFolder(Path("runs/tiny")).body()["spec"]
    for number, given in enumerate((fields, spec, {**fields, "model": spec.model, "tokenizer": {"uri": "file:tokenizer.json"}})):
        lwm.Training.from_fields(f"again{number}", given).apply()
        assert TrainingFolder(Path(f"runs/again{number}")).training().spec == spec


def test_what_is_wrong_is_said_before_anything_runs(place: Path) -> None:
    file = write_file(place)
    with pytest.raises(lwm.FileError, match=r"spec\.stages\[0\]\.stepz: unknown field: did you mean steps\?"):
        lwm.Training.from_file(file, settings={"stages[0].stepz": 3})
    with pytest.raises(lwm.FileError, match=r"^training x: spec\.model: it is the number 3, and must be a mapping"):
        lwm.Training.from_fields("x", {"model": 3})
    with pytest.raises(lwm.FileError, match="is no value of a spec: give values that JSON can express"):
        lwm.Training.from_fields("x", {"model": {1, 2}})
    with pytest.raises(lwm.FileError, match=r"settings: model\.layers: \{1\} is no value of a spec: give a value that JSON can express"):
        lwm.Training.from_file(file, settings={"model.layers": {1}})
    with pytest.raises(lwm.FileError, match=r"settings: seed=3 #: give the path as a key"):
        lwm.Training.from_file(file, settings={"seed=3 #": 1})
    with pytest.raises(lwm.FileError, match=r"tokenizer\.uri: /none does not exist(?s:.*)\nIn Python, settings have"):
        lwm.Training.from_file(file, settings={"tokenizer.uri": "/none"})
    with pytest.raises(lwm.FileError, match="leave it out with a cluster"):
        lwm.Training.from_file(file, out="x", cluster=lwm.Cluster())
    with pytest.raises(lwm.PlaceError, match="no lwm train has written there"):
        lwm.Training.at("none")
    assert not Path("runs").exists()


def test_before_it_is_applied_there_is_no_training(place: Path) -> None:
    made = lwm.Training.from_file(write_file(place))
    for method in (made.status, made.wait, made.events, made.record, made.checkpoints, made.suspend, made.resume):
        with pytest.raises(lwm.PlaceError, match=r"^runs/tiny: there is no training yet: lwm train, or apply"):
            method()


def test_a_command_that_refuses_is_an_error_with_its_words(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lwm.Training.from_file(write_file(place))
    text = LWM.format(python=sys.executable, extra="--refuse")
    monkeypatch.setattr(sys, "executable", script(place / "lwm", text))
    for _ in range(2):
        with pytest.raises(lwm.FileError, match=r"^it is refused$"):
            made.apply()
    with TrainingFolder(Path("runs/tiny")).lock(), pytest.raises(lwm.FileError, match="works on it already"):
        made.apply()


def test_waiting_ends_with_an_error_where_the_training_stops(place: Path, command: None) -> None:
    made = lwm.Training.from_file(write_file(place)).apply()
    folder = TrainingFolder(Path("runs/tiny"))
    folder.change(lambda body: body.update(status={"phase": "Failed", "reason": "DataMissing", "message": "no such file"}))
    with pytest.raises(lwm.StoppedError, match=r"^tiny: Failed · DataMissing · no such file$") as stopped:
        made.wait()
    assert stopped.value.status.reason == "DataMissing"
    folder.change(lambda body: body.update(status={"phase": "Running", "reason": "Training", "message": "step 3"}))
    with pytest.raises(lwm.StoppedError, match="step 3: no lwm train works on it: apply goes on"):
        made.wait()
    with folder.lock(), pytest.raises(TimeoutError, match=r"tiny: after 0.05 s: Running"):
        made.wait(timeout=0.05)


def test_events_are_rows(place: Path, command: None) -> None:
    made = lwm.Training.from_file(write_file(place)).apply()
    event = {"time": "2026-11-30T10:00:00Z", "type": "Normal", "reason": "StageStarted", "message": "stage 1"}
    TrainingFolder(Path("runs/tiny")).add_event({**event, "key": "a"})
    assert made.events() == [{**event, "count": 1}]
    made.suspend()
    assert TrainingFolder(Path("runs/tiny")).training().spec.suspend
    made.resume()
    assert not TrainingFolder(Path("runs/tiny")).training().spec.suspend


def test_a_cluster_gets_the_object_of_the_file_and_is_asked_for_the_rest(place: Path, cluster: Path) -> None:
    text = write_file(place).read_text()
    for old in ("file:tokenizer.json", "file:texts", "file:runs"):
        text = text.replace(old, f"gs://bucket/{old[5:]}")
    (place / "cluster.yaml").write_text(text.replace("{name: tiny}", "{name: tiny, labels: {team: a}}"))
    made = lwm.Training.from_file("cluster.yaml", settings={"seed": 4}, cluster=lwm.Cluster("lab", "gke")).apply()
    body = json.loads(cluster.read_text())
    assert (body["metadata"]["labels"], body["spec"]["seed"]) == ({"team": "a"}, 4)
    assert json.loads(cluster.with_suffix(".words").read_text()) == ["apply", "--filename=-", "--namespace=lab", "--context=gke"]
    body["status"] = {"phase": "Paused", "message": "of an older spec", "observedGeneration": 1}
    cluster.write_text(json.dumps(body))
    with pytest.raises(TimeoutError):
        made.wait(timeout=0.02)
    body["status"] |= {"observedGeneration": 2, "phase": "Complete"}
    cluster.write_text(json.dumps(body))
    assert made.wait().phase == Phase.COMPLETE
    with pytest.raises(lwm.FileError, match="there is nothing to apply"):
        lwm.Training.at("tiny", cluster=lwm.Cluster("lab")).apply()
    body["spec"]["checkpoint"] = {"pvc": {"claimName": "data"}}
    cluster.write_text(json.dumps(body))
    with pytest.raises(lwm.PlaceError, match="on the claim data, which only pods see"):
        made.record()
