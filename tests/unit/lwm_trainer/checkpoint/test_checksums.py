"""Every damage to a file of a commit is seen: a file that is gone, one that is cut, and one byte that is another."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp
import pytest

from lwm_trainer.checkpoint.checksums import PARAMETERS, agree_on_damage, find_damage, write_checksums
from lwm_trainer.checkpoint.lineage import agree_on_origin
from lwm_trainer.config import Start
from lwm_trainer.runtime.errors import CheckpointMismatchError
from support.builders import a_run

ARRAYS = {"a": np.arange(4096, dtype=np.float32)}


def commit(folder: Path, checksums: bool = True) -> Path:
    """A step folder with the items of a training's checkpoint."""
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        items = {item: ocp.args.StandardSave(ARRAYS) for item in ("params", "optimizer", "record")}
        checkpointer.save(folder, args=ocp.args.Composite(**items, manifest=ocp.args.JsonSave({"step": 1})))
    if checksums:
        write_checksums(str(folder))
    return folder


def largest(folder: Path, item: str = "params") -> Path:
    return max((path for path in (folder / item).rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"), [(Path.unlink, "is missing"), (cut, "has 20 of "), (flip, "has another content than was saved")]
)
def test_damage_names_the_file(tmp_path: Path, damage: Callable[[Path], None], words: str) -> None:
    folder = commit(tmp_path / "1")
    assert agree_on_damage(str(folder)) is None
    file = largest(folder, "optimizer")
    damage(file)
    assert (damaged_file := agree_on_damage(str(folder))) is not None
    assert damaged_file.startswith(f"{file.relative_to(folder)} {words}")
    assert agree_on_damage(str(folder), PARAMETERS) is None, "another stage takes the parameters only"


def test_without_checksums_the_index_tells_what_is_gone_or_cut(tmp_path: Path) -> None:
    folder = commit(tmp_path / "1", checksums=False)
    assert find_damage(str(folder)) is None
    (folder / "manifest" / "metadata").write_text("{")
    assert find_damage(str(folder)) == "manifest/metadata is not JSON"
    folder = commit(tmp_path / "2", checksums=False)
    file = largest(folder)
    cut(file)
    assert find_damage(str(folder)) is not None


def test_a_list_of_checksums_that_is_damaged_itself_is_named(tmp_path: Path) -> None:
    folder = commit(tmp_path / "1")
    (folder / "checksums-0.json").write_text("{")
    assert str(find_damage(str(folder))).startswith("checksums-0.json cannot be read")


def test_the_next_older_commit_takes_the_place_of_a_damaged_one_and_without_one_it_is_an_error(tmp_path: Path) -> None:
    stage = tmp_path / "s1-s"
    older, newer = commit(stage / "a1" / "4"), commit(stage / "a1" / "6")
    flip(largest(newer))
    checkpoint = {"root": str(tmp_path), "save_interval_steps": 2}
    origin = agree_on_origin(a_run(attempt=2, checkpoint=checkpoint, start=Start(earlier_attempts=(1,), committed_step=6)))
    assert (origin.checkpoint, origin.step) == (str(older), 4)
    assert origin.damaged[0].startswith(f"{newer}: params/")
    cut(largest(older))
    with pytest.raises(CheckpointMismatchError, match=r"s1-s/a1/4: params/.*: there is no older checkpoint of stage s: restore"):
        agree_on_origin(a_run(attempt=3, checkpoint=checkpoint, start=Start(earlier_attempts=(2, 1), committed_step=6)))
