"""What is looked at before anything is built, against a kubectl that says what the test wants."""

import json
from pathlib import Path
from typing import Any

import pytest

from quickstart import preconditions
from tools.kubectl import CommandError, Kubectl

DEFAULT = {"metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}}
OTHER = {"metadata": {"name": "slow"}}
FREE = {"spec": {}, "status": {"phase": "Available"}}


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
    with pytest.raises(CommandError, match="CONTEXT=kind-c: kubectl knows no such context: take one of kind-a, kind-b"):
        preconditions.kubeconfig("kind-c", tmp_path / "found")
    answer(kubectl, "view", "what leads there")
    found = preconditions.kubeconfig("kind-a", tmp_path / "found")
    assert (found.read_text(), found.stat().st_mode & 0o777) == ("what leads there", 0o600)


def test_an_api_server_that_does_not_answer_is_told_with_its_last_words(kubectl: Kubectl) -> None:
    (problem,) = preconditions.reachable(kubectl, "kind-a")
    assert "kubectl --context=kind-a cluster-info" in problem
    assert "refused: readyz" in problem
    answer(kubectl, "readyz", "ok")
    assert preconditions.reachable(kubectl, "kind-a") == []


def test_whoever_may_not_create_cluster_wide_things_is_told_which(kubectl: Kubectl) -> None:
    for kind in preconditions.CREATED[1:]:
        answer(kubectl, kind, "yes")
    (problem,) = preconditions.permitted(kubectl, "kind-a")
    assert "may not create customresourcedefinitions.apiextensions.k8s.io:" in problem
    answer(kubectl, preconditions.CREATED[0], "yes")
    assert preconditions.permitted(kubectl, "kind-a") == []


def test_a_claim_needs_a_class_or_a_volume_that_waits(kubectl: Kubectl) -> None:
    holds(kubectl, [DEFAULT], [])
    assert preconditions.storage(kubectl, "") == []
    assert preconditions.storage(kubectl, "fast") == ["STORAGE_CLASS=fast: the cluster has standard: take one"]
    holds(kubectl, [OTHER], [])
    (problem,) = preconditions.storage(kubectl, "")
    assert "STORAGE_CLASS=<one of slow>" in problem
    assert preconditions.storage(kubectl, "slow") == []
    holds(kubectl, [OTHER], [FREE])
    assert preconditions.storage(kubectl, "") == []
    holds(kubectl, [], [FREE | {"status": {"phase": "Bound"}}])
    assert len(preconditions.storage(kubectl, "")) == 1
    holds(kubectl, [], [], claim='{"kind": "PersistentVolumeClaim"}')
    assert preconditions.storage(kubectl, "") == []


def test_missing_programs_are_told_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert [line.split()[0] for line in preconditions.tools(building=True)] == ["kubectl", "helm", "git", "neither"]
    assert [line.split()[0] for line in preconditions.tools(building=False)] == ["kubectl", "helm"]
