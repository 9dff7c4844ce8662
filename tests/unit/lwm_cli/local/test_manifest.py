"""A file in local mode: paths for addresses, options that replace parts of it, and what this machine cannot do."""

from pathlib import Path

import pytest

from lwm_cli.errors import FileError
from lwm_cli.local.manifest import Options, forbidden_changes, load_local, local_problems
from lwm_cli.training import load
from lwm_operator.api.training import Training
from support.local_training import write_file

CLAIMS = (("{uri: file:tokenizer.json}", "{pvc: {claimName: data}}"), ("{uri: file:texts}", "{pvc: {claimName: data}}"))

NO_OPTIONS = Options()


def of(folder: Path, *changes: tuple[str, str], options: Options = NO_OPTIONS, out: Path | None = None) -> Training:
    return load_local(write_file(folder, *changes), options, out)


def test_paths_are_absolute_and_relative_ones_are_the_files(tmp_path: Path) -> None:
    spec = of(tmp_path, ("file:texts", "/data/texts"), ("file:runs", "file:///somewhere/runs")).spec
    assert (spec.tokenizer.uri, spec.datasets[0].source.uri, spec.checkpoint.uri) == (
        f"{tmp_path}/tokenizer.json",
        "/data/texts",
        "/somewhere/runs",
    )


def test_a_relative_path_is_no_address(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"tiny.yaml:6: spec.tokenizer.uri: String should match"):
        of(tmp_path, ("file:tokenizer", "tokenizer"))


def test_a_cluster_still_admits_no_path(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"spec.tokenizer.uri: String should match"):
        load(write_file(tmp_path))


def test_options_stand_over_the_file(tmp_path: Path) -> None:
    options = Options(("stages[longer].steps=10", "spec.seed=7"), (f"words={tmp_path}/x",), str(tmp_path / "other.json"))
    spec = of(tmp_path, *CLAIMS, options=options, out=tmp_path / "out").spec
    assert (spec.stages[1].steps, spec.seed, spec.stages[0].steps) == (10, 7, 12)
    assert spec.datasets[0].source.uri == f"{tmp_path}/x"
    assert spec.tokenizer.uri == f"{tmp_path}/other.json"
    assert spec.checkpoint.uri == f"{tmp_path}/out/checkpoints"
    assert local_problems(spec) == [
        f"spec.tokenizer.uri: {tmp_path}/other.json does not exist: correct it, or give --tokenizer FILE",
        f"spec.datasets[words].source.uri: {tmp_path}/x does not exist: correct it, or give --source words=PATH",
    ]


def test_one_source_without_a_name_is_for_the_only_data_set(tmp_path: Path) -> None:
    assert of(tmp_path, options=Options(sources=("/texts",))).spec.datasets[0].source.uri == "/texts"
    two = ("source: {uri: file:texts}}", "source: {uri: file:texts}}, {name: more, source: {uri: file:texts}}")
    with pytest.raises(FileError, match="--source /texts: the file has several data sets: write NAME=PATH, with a name of words, more"):
        of(tmp_path, two, options=Options(sources=("/texts",)))


def test_claims_and_gangs_of_a_cluster_are_refused_with_the_fix(tmp_path: Path) -> None:
    gpus = (("{type: cpu, cpu: {hosts: 2, devicesPerHost: 2, threads: 2}}", "{type: gpu, gpu: {hosts: 2, perHost: 2}}"),)
    secret = "podTemplate: {env: [{name: TEST_KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}]}"
    spec = of(tmp_path, *CLAIMS, *gpus, ("  stages:", f"  {secret}\n  stages:")).spec
    assert local_problems(spec, {}) == [
        "spec.tokenizer.pvc: claim data exists only in a cluster: give --tokenizer FILE",
        "spec.datasets[words].source.pvc: claim data exists only in a cluster: give --source words=PATH",
        "spec.accelerator: 2 GPU hosts, and this machine is one: use an accelerator of one host, or rehearse on its CPUs with"
        " JAX_PLATFORMS=cpu",
        "spec.podTemplate.env[TEST_KEY]: its Secret or ConfigMap is in a cluster: set the variable in your shell",
    ]
    assert len(local_problems(spec, {"JAX_PLATFORMS": "cpu", "TEST_KEY": "1"})) == 2


def test_a_training_goes_on_only_with_what_may_change(tmp_path: Path) -> None:
    old = of(tmp_path)
    begun = old.model_copy(update={"status": old.status.model_copy(update={"current_stage": 1})})
    later = of(tmp_path, ("steps: 6", "steps: 8")).spec
    wider = (("hosts: 2", "hosts: 4"), ("sp: 4", "sp: 8"), ("fsdp: 2, tp", "fsdp: 4, tp"), ("steps: 6", "steps: 6"))
    other = of(tmp_path, ("steps: 12", "steps: 13"), ("layers: 2", "layers: 3"), ("batchTokens: 256", "batchTokens: 512"), *wider).spec
    assert forbidden_changes(begun, later) == []
    assert forbidden_changes(begun, other.model_copy(update={"stages": begun.spec.stages})) == ["spec.model", "spec.accelerator"]
    assert forbidden_changes(old, other) == ["spec.model"]
    assert forbidden_changes(begun, other) == ["spec.model", "spec.accelerator", "spec.stages[short]"]
