"""The folder in place of the API server."""

from pathlib import Path

import pytest

from lwm_cli.local.folder import EVENTS, FolderInUseError, TrainingFolder
from lwm_cli.local.manifest import Options, load_local
from support.local_training import write_file


@pytest.fixture
def folder(tmp_path: Path) -> TrainingFolder:
    folder = TrainingFolder(tmp_path / "out")
    folder.create("tiny", load_local(write_file(tmp_path), Options(), None).spec.model_dump(mode="json", by_alias=True, exclude_none=True))
    return folder


def test_what_is_stored_is_read_again(folder: TrainingFolder, tmp_path: Path) -> None:
    training = folder.training()
    assert training.spec == load_local(tmp_path / "tiny.yaml", Options(), None).spec
    assert training.run_root == f"{tmp_path}/runs/default/tiny-{training.metadata.uid[:8]}"


def test_only_a_change_of_the_spec_is_a_new_generation(folder: TrainingFolder) -> None:
    assert folder.change(lambda body: body.update(status={"phase": "Running"}))
    assert not folder.change(lambda body: body.update(status={"phase": "Running"}))
    assert folder.change(lambda body: body["spec"].update(suspend=True))
    about = folder.training().metadata
    assert (about.generation, about.resource_version) == (2, "3")


def test_an_event_that_comes_again_is_counted_and_a_torn_line_is_passed_over(folder: TrainingFolder) -> None:
    for time, key in (("1", "a"), ("2", "b"), ("3", "a")):
        folder.add_event({"key": key, "time": time})
    with (folder.path / EVENTS).open("a") as file:
        file.write('{"key": "c", "ti')
    assert folder.events() == [{"key": "a", "time": "3", "count": 2}, {"key": "b", "time": "2", "count": 1}]


def test_one_command_at_a_time_works_on_a_folder(folder: TrainingFolder) -> None:
    in_use = [folder.in_use]
    with folder.lock():
        in_use.append(folder.in_use)
        with pytest.raises(FolderInUseError, match=r"lwm train works on it already, as process [0-9]+"):
            folder.lock().__enter__()
    assert [*in_use, folder.in_use] == [False, True, False]
