"""A listing on disk is complete, whatever lies there, or an error names what is in the way."""

import os
from pathlib import Path

import pytest

from lwm_trainer.storage.disk import list_disk, open_disk
from lwm_trainer.storage.errors import FileMissingError, StorageDeniedError, StorageError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source" / "in").mkdir(parents=True)
    (tmp_path / "source" / "a").write_text("1")
    (tmp_path / "source" / "in" / "b").write_text("22")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "c").write_text("333")
    return tmp_path / "source"


def names(source: Path) -> list[str]:
    return [entry.name for entry in list_disk(str(source)).entries]


def test_links_to_files_and_folders_are_followed(source: Path) -> None:
    (source / "more").symlink_to(source.parent / "elsewhere")
    (source.parent / "d").write_text("4")
    (source / "one").symlink_to(source.parent / "d")
    listing = list_disk(str(source))
    assert [entry.name for entry in listing.entries] == ["a", "in/b", "more/c", "one"]
    with open_disk(listing.uri(listing.entries[2]), listing.entries[2]) as file:
        assert file.read() == b"333"


def test_a_linked_source_is_read(source: Path) -> None:
    (source.parent / "link").symlink_to(source)
    assert names(source.parent / "link") == ["a", "in/b"]


@pytest.mark.parametrize(
    ("link", "target", "message"),
    [
        ("gone", "nowhere", r"gone: is a link to nowhere, where nothing is: put the file there or remove the link"),
        ("itself", "itself", r"itself: is a link to itself, where nothing is"),
        ("circle", ".", r"circle: is a link to .*/source, which it is in itself: remove the link"),
        ("in/up", "..", r"in/up: is a link to .*/source, which it is in itself: remove the link"),
        ("twice", "a", r"source/twice and .*/source/a are the same file, by a link: remove the link, or name one of them"),
        ("twice", "in", r"source/twice/b and .*/source/in/b are the same file, by a link"),
    ],
)
def test_links_with_which_no_listing_can_be_right_are_named(source: Path, link: str, target: str, message: str) -> None:
    (source / link).symlink_to(target)
    with pytest.raises(StorageError, match=message):
        list_disk(str(source))


def test_a_folder_that_cannot_be_read_is_named(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    iterdir = Path.iterdir

    def refuse(path: Path) -> object:  # the mode of a folder does not bind root, as which tests may run
        if path.name == "in":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(StorageDeniedError, match=r"source/in: may not be read by uid \d+: change its owner or mode"):
        list_disk(str(source))


def test_names_with_a_dot_and_folders_of_the_file_system_are_passed_over(source: Path) -> None:
    for folder in (".Trash-1000", "lost+found", "in/.ipynb_checkpoints"):
        (source / folder).mkdir()
        (source / folder / "x").write_text("")
    (source / "._a").write_text("")
    assert names(source) == ["a", "in/b"]
    assert names(source / "in" / ".ipynb_checkpoints") == ["x"], "unless they are asked for"


def test_a_name_that_is_not_utf8_is_named(source: Path) -> None:
    Path(os.fsdecode(os.fsencode(source) + b"/caf\xe9.jsonl")).write_text("")
    with pytest.raises(StorageError) as raised:
        list_disk(str(source))
    assert str(raised.value) == f"{source}/caf\\xe9.jsonl: its name is not UTF-8: rename it"


def test_what_is_no_file_is_named(source: Path) -> None:
    os.mkfifo(source / "pipe")
    with pytest.raises(StorageError, match=r"source/pipe: is neither a file nor a folder: move it away"):
        list_disk(str(source))


def test_a_source_that_is_not_there_is_named(source: Path) -> None:
    with pytest.raises(FileMissingError, match=r"none: no such file or folder: put the data there or correct the uri"):
        list_disk(f"{source}/none")
