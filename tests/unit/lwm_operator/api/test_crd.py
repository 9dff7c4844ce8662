from pathlib import Path

import pytest

from lwm_operator.api import crd


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


def test_status_has_no_defaults() -> None:
    schema = crd.crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    assert "default" not in str(schema["status"])
    assert schema["spec"]["properties"]["stages"]["items"]["properties"]["mesh"]["properties"]["tp"]["default"] == 1


def test_every_list_map_and_string_of_the_spec_is_bounded() -> None:
    def unbounded(node: dict[str, object], path: str) -> list[str]:
        paths = []
        if node.get("type") == "string" and not ({"maxLength", "enum", "format"} & set(node)):
            paths.append(path)
        if node.get("type") == "array":
            paths += [] if "maxItems" in node else [path]
            paths += unbounded(node["items"], f"{path}[]")  # type: ignore[arg-type]
        if isinstance(node.get("additionalProperties"), dict):
            paths += [] if "maxProperties" in node else [path]
            paths += unbounded(node["additionalProperties"], f"{path}.*")  # type: ignore[arg-type]
        for name, child in node.get("properties", {}).items():  # type: ignore[attr-defined]
            paths += unbounded(child, f"{path}.{name}")
        return paths

    schema = crd.crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    assert unbounded(schema["spec"], "spec") == []
    assert unbounded(schema["status"], "status") == []
