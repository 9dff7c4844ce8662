from pathlib import Path

import pytest

from tools.docs import crd


def test_the_committed_crds_equal_the_models() -> None:
    assert crd.difference() == ""
    assert crd.main(["--check"]) == 0


def test_a_changed_copy_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crd, "ROOT", tmp_path)
    monkeypatch.setattr(crd, "PLAIN", tmp_path / "crds" / "a.yaml")
    monkeypatch.setattr(crd, "CHART", tmp_path / "chart" / "a.yaml")
    assert crd.main(["--check"]) == 1
    assert crd.main([]) == 0
    assert crd.main(["--check"]) == 0
    (tmp_path / "chart" / "a.yaml").write_text("kind: Other\n")
    assert "+kind: CustomResourceDefinition" in crd.difference()


def test_helm_keeps_the_charts_copy_on_uninstall() -> None:
    assert "helm.sh/resource-policy: keep" in crd.CHART.read_text()
    assert "helm.sh/resource-policy" not in crd.PLAIN.read_text()
