"""Names of images."""

import subprocess
from pathlib import Path

import pytest

from tools.image_names import INPUTS, full_name, tag


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in INPUTS:
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
    assert len(tag(repository)) == 12


def test_what_no_image_holds_does_not_change_the_tag(repository: Path) -> None:
    (repository / "README.md").write_text("words")
    assert "dirty" not in tag(repository)


def test_each_change_of_source_is_another_tag(repository: Path) -> None:
    clean = tag(repository)
    (repository / "operator" / "a.py").write_text("a = 2\n")
    changed = tag(repository)
    (repository / "trainer" / "new.py").write_text("b = 1\n")
    added = tag(repository)
    (repository / "trainer" / "new.py").write_text("b = 2\n")
    assert changed.startswith(f"{clean}-dirty-")
    assert len({clean, changed, added, tag(repository)}) == 4


def test_a_name_without_a_registry_is_dockers() -> None:
    assert full_name("lwm-trainer:1") == "docker.io/library/lwm-trainer:1"
    assert full_name("reg.example:5000/x/lwm-trainer:1") == "reg.example:5000/x/lwm-trainer:1"
