"""Somebody else's cluster: what stops the quickstart before anything is built. A fake kubectl answers what the test wants."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.auth.exceptions import DefaultCredentialsError

from quickstart import external
from quickstart.options import parse
from tools.kubectl import CommandError, Kubectl

DEFAULT = {"metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}
OTHER = {"metadata": {"name": "slow"}}
FREE = {"spec": {}, "status": {"phase": "Available"}}


def test_without_a_way_for_images_nothing_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "missing_tools", lambda **_: pytest.fail("not yet"))
    with pytest.raises(CommandError, match="IMAGE_LOAD is missing"):
        external.connect(parse(["--context=x"]), tmp_path)


def test_all_that_is_missing_is_said_in_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "missing_tools", lambda **_: ["no helm: get it", "no git: get it"])
    with pytest.raises(CommandError, match=r"cannot start yet:\n  - no helm: get it\n  - no git: get it$"):
        external.connect(parse(["--context=x", "--image-load=true"]), tmp_path)


def test_images_that_are_there_are_neither_built_nor_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "build_and_load", lambda *_: pytest.fail("they are there"))
    names = external.images(parse(["--context=x", "--images-loaded=v1", "--image-registry=reg.example/x"]))
    assert names == ("reg.example/x/lwm-operator:v1", "reg.example/x/lwm-trainer:v1")


def test_a_bucket_that_may_not_be_written_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise DefaultCredentialsError("no credentials")  # type: ignore[no-untyped-call]

    monkeypatch.setattr(external, "upload", refused)
    with pytest.raises(CommandError, match=r"BUCKET=gs://mine cannot be written: .*application-default login.*\(no credentials\)"):
        external.upload_to_bucket("mine")


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    """Looks its answer up in a file named as the last word but the options; fails where there is none."""
    program = tmp_path / "kubectl"
    program.write_text(f"""#!/bin/sh
for word in "$@"; do case "$word" in -*) ;; *) last=$word;; esac; done
case "$*" in *--raw=*) last=readyz;; esac
cat "{tmp_path}/$last.answer" 2>/dev/null || {{ echo "refused: $last" >&2; exit 1; }}
""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Kubectl(tmp_path / "kubeconfig", program=str(program))


def answer(kubectl: Kubectl, name: str, text: str) -> None:
    (kubectl.kubeconfig.parent / f"{name}.answer").write_text(text)


def holds(kubectl: Kubectl, classes: list[dict[str, Any]], volumes: list[dict[str, Any]], claim: str = "") -> None:
    answer(kubectl, "storageclasses", json.dumps({"items": classes}))
    answer(kubectl, "persistentvolumes", json.dumps({"items": volumes}))
    answer(kubectl, "lwm-quickstart", claim)


def test_a_context_that_is_not_there_is_told_with_those_that_are(kubectl: Kubectl, tmp_path: Path) -> None:
    answer(kubectl, "get-contexts", "kind-a\nkind-b\n")
    with pytest.raises(CommandError, match="CONTEXT=kind-c: kubectl has no such context: choose one of kind-a, kind-b"):
        external.write_kubeconfig("kind-c", tmp_path / "kubeconfig")
    answer(kubectl, "view", "what leads there")
    kubeconfig = external.write_kubeconfig("kind-a", tmp_path / "kubeconfig")
    assert (kubeconfig.read_text(), kubeconfig.stat().st_mode & 0o777) == ("what leads there", 0o600)


def test_an_api_server_that_does_not_answer_is_told_with_its_last_words(kubectl: Kubectl) -> None:
    (problem,) = external.connection_problems(kubectl, "kind-a")
    assert "kubectl --context=kind-a cluster-info" in problem
    assert "refused: readyz" in problem
    answer(kubectl, "readyz", "ok")
    assert external.connection_problems(kubectl, "kind-a") == []


def test_whoever_may_not_create_cluster_wide_things_is_told_which(kubectl: Kubectl) -> None:
    for kind in external.CREATED[1:]:
        answer(kubectl, kind, "yes")
    (problem,) = external.permission_problems(kubectl, "kind-a")
    assert "may not create customresourcedefinitions.apiextensions.k8s.io:" in problem
    answer(kubectl, external.CREATED[0], "yes")
    assert external.permission_problems(kubectl, "kind-a") == []


def test_a_claim_needs_a_class_or_a_volume_that_waits(kubectl: Kubectl) -> None:
    holds(kubectl, [DEFAULT], [])
    assert external.storage_problems(kubectl, "") == []
    assert external.storage_problems(kubectl, "fast") == ["STORAGE_CLASS=fast: the cluster has standard: choose one of these"]
    holds(kubectl, [OTHER], [])
    (problem,) = external.storage_problems(kubectl, "")
    assert "STORAGE_CLASS=<one of slow>" in problem
    assert external.storage_problems(kubectl, "slow") == []
    holds(kubectl, [OTHER], [FREE])
    assert external.storage_problems(kubectl, "") == []
    holds(kubectl, [], [FREE | {"status": {"phase": "Bound"}}])
    assert len(external.storage_problems(kubectl, "")) == 1
    holds(kubectl, [], [], claim='{"kind": "PersistentVolumeClaim"}')
    assert external.storage_problems(kubectl, "") == []


def test_missing_programs_are_told_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert [line.split()[0] for line in external.missing_tools(building=True)] == ["kubectl", "helm", "git", "neither"]
    assert [line.split()[0] for line in external.missing_tools(building=False)] == ["kubectl", "helm"]
