"""The bill of materials names what the images are made of."""

import json
import os
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from tools.release.sbom import IMAGES, ROOT, write_sbom


@pytest.mark.skipif(not (os.environ.get("LWM_UV") or shutil.which("uv")), reason="no uv")
def test_the_operator_s_bill_has_locked_packages_with_hashes_and_no_jax(tmp_path: Path) -> None:
    assert write_sbom("operator", tmp_path / "sbom.json") > 10
    bill = json.loads((tmp_path / "sbom.json").read_text())
    locked = {(each["name"], each["version"]) for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    components = {(each["name"], each["version"]) for each in bill["components"]}
    assert bill["bomFormat"] == "CycloneDX"
    assert components <= locked
    assert {"kubernetes-asyncio", "kubernetes"} & {name for name, _ in components}
    assert "jax" not in {name for name, _ in components}
    assert all(each["externalReferences"][0]["hashes"] for each in bill["components"])


def test_the_extras_are_those_that_the_dockerfile_installs() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    operator = re.search(r"uv sync .*--no-install-project ((?:--extra \w+ ?)+)", dockerfile)
    trainer = re.search(r'cpu\) extras="([^"]+)"', dockerfile)
    assert operator is not None
    assert trainer is not None
    installed = {"operator": operator[1], "trainer": trainer[1]}
    assert {image: tuple(re.findall(r"--extra (\w+)", text)) for image, text in installed.items()} == IMAGES
