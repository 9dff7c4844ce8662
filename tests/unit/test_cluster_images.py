import hashlib
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cluster import images, oci
from cluster.paths import REPOSITORY


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in images.INPUTS:
        path = tmp_path / name
        if "." in name or name == "Dockerfile":
            path.write_text(name)
        else:
            path.mkdir()
            (path / "a.py").write_text("a = 1\n")
    (tmp_path / "README.md").write_text("")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=first")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def test_a_clean_checkout_has_the_commit_as_tag(repository: Path) -> None:
    assert len(images.tag(repository)) == 12


def test_what_no_image_holds_does_not_change_the_tag(repository: Path) -> None:
    (repository / "README.md").write_text("words")
    assert "dirty" not in images.tag(repository)


def test_each_change_of_source_is_another_tag(repository: Path) -> None:
    clean = images.tag(repository)
    (repository / "operator" / "a.py").write_text("a = 2\n")
    changed = images.tag(repository)
    (repository / "trainer" / "new.py").write_text("b = 1\n")
    added = images.tag(repository)
    (repository / "trainer" / "new.py").write_text("b = 2\n")
    assert changed.startswith(f"{clean}-dirty-")
    assert len({clean, changed, added, images.tag(repository)}) == 4


def test_an_archive_by_hand_is_consistent(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF" * 100)
    layer = tmp_path / "layer"
    layer.write_bytes(oci.layer_of({"program": program}))
    oci.write(tmp_path / "image.tar", "registry.test/x:1", layer, ["/program"])
    with tarfile.open(tmp_path / "image.tar") as archive:
        content = {member.name: read(archive, member) for member in archive.getmembers()}
    for name, data in content.items():
        if name.startswith("blobs/"):
            assert hashlib.sha256(data).hexdigest() == name.rpartition("/")[2]
    index = json.loads(content["index.json"])["manifests"][0]
    assert index["annotations"]["io.containerd.image.name"] == "registry.test/x:1"
    manifest = blob(content, index)
    config = blob(content, manifest["config"])
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    assert len(config["history"]) == len(config["rootfs"]["diff_ids"])
    assert config["config"]["Entrypoint"] == ["/program"]


def read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file
    return file.read()


def blob(content: dict[str, bytes], descriptor: dict[str, Any]) -> dict[str, Any]:
    data = content["blobs/" + descriptor["digest"].replace(":", "/")]
    assert len(data) == descriptor["size"]
    document: dict[str, Any] = json.loads(data)
    return document


def test_the_images_take_no_more_than_they_need() -> None:
    """The operator knows the contract only, and neither image runs as root."""
    stages = (REPOSITORY / "Dockerfile").read_text().split("FROM ")
    operator, trainer = (next(s for s in stages if s.split("\n")[0].endswith(f" AS {target}")) for target in images.TARGETS)
    copied = [line for line in operator.splitlines() if line.startswith("COPY trainer")]
    assert copied == ["COPY trainer/lwm_trainer/__init__.py trainer/lwm_trainer/config.py /app/lwm_trainer/"]
    assert "COPY operator" not in trainer
    assert all("USER 65532:65532" in stage for stage in (operator, trainer))
