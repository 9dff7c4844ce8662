"""Images: who builds them, what they are called, and how the hook is told."""

from pathlib import Path

import pytest

from quickstart import images
from quickstart.images import image_load_help, image_names, load
from tools.image_names import REPOSITORY
from tools.kubectl import CommandError


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def bin_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin")
    monkeypatch.setattr("shutil.which", lambda name: str(folder / name) if (folder / name).exists() else None)
    for name in images.BUILD_ARGUMENTS:
        monkeypatch.delenv(name, raising=False)
    return folder


def test_docker_builds_where_its_daemon_answers_and_buildah_elsewhere(bin_: Path) -> None:
    assert images.builder() is None
    program(bin_, "buildah", "")
    assert images.builder() == "buildah"
    program(bin_, "docker", "exit 1")
    assert images.builder() == "buildah"
    program(bin_, "docker", "")
    assert images.builder() == "docker"


def test_an_image_is_built_once_and_its_archive_takes_the_place_of_an_older_one(
    bin_: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "ARCHIVES", tmp_path / "archives")
    program(bin_, "docker", f'echo "$@" >> {tmp_path}/calls; case "$2" in --output=*) echo image > "${{2#--output=}}";; esac')
    older, first = images.build("trainer", "reg.example/x/lwm-trainer:1"), images.build("operator", "reg.example/x/lwm-operator:1")
    assert older.read_text() == "image\n"
    calls = (tmp_path / "calls").read_text()
    assert "build --target=trainer --tag=reg.example/x/lwm-trainer:1" in calls
    assert images.build("trainer", "reg.example/x/lwm-trainer:1") == older
    assert (tmp_path / "calls").read_text() == calls, "nothing was built again"
    newer = images.build("trainer", "reg.example/x/lwm-trainer:2")
    assert sorted((tmp_path / "archives").iterdir()) == sorted([newer, first])


def test_a_build_that_fails_leaves_no_archive(bin_: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "ARCHIVES", tmp_path / "archives")
    program(bin_, "docker", '[ "$1" = version ] || { echo no space left >&2; exit 1; }')
    with pytest.raises(CommandError, match="no space left"):
        images.build("trainer", "lwm-trainer:1")
    assert list((tmp_path / "archives").glob("*.tar")) == []


def test_the_base_and_the_index_of_a_machine_without_docker_io_are_handed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BASE", "mirror.example/python:3.11")
    for name in ("docker", "buildah"):
        first, second = images.build_commands(name, "trainer", "lwm-trainer:1", tmp_path / "a.tar")
        assert "--build-arg=BASE=mirror.example/python:3.11" in first
        assert "docker.io/library/lwm-trainer:1" in second
    assert "BASE" in (REPOSITORY / "Dockerfile").read_text()


def test_the_hook_is_told_image_and_archive_and_its_words_are_shown_when_it_fails(tmp_path: Path) -> None:
    load(f'printf "%s %s" "$IMAGE" "$ARCHIVE" > {tmp_path}/environment', "lwm-trainer:1", Path("/a/b.tar"))
    assert (tmp_path / "environment").read_text() == "lwm-trainer:1 /a/b.tar"
    with pytest.raises(CommandError, match=r"IMAGE_LOAD with IMAGE=lwm-trainer:1 ARCHIVE=/a/b.tar: .*\n.*no such cluster"):
        load("echo no such cluster >&2; exit 1", "lwm-trainer:1", Path("/a/b.tar"))


def test_a_registry_stands_before_both_names() -> None:
    assert image_names("1") == ("lwm-operator:1", "lwm-trainer:1")
    assert image_names("1", "reg.example:5000/x/") == ("reg.example:5000/x/lwm-operator:1", "reg.example:5000/x/lwm-trainer:1")


def test_what_is_said_without_a_hook_names_the_variable_and_three_examples() -> None:
    text = image_load_help("kind-mine")
    assert text.startswith("IMAGE_LOAD is missing")
    for words in (
        "kind load image-archive $ARCHIVE --name mine",
        "minikube image load $ARCHIVE",
        "k3d image import $ARCHIVE",
        "IMAGES_LOADED=",
    ):
        assert words in text
