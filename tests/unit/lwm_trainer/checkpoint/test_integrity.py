"""The files of a checkpoint's arrays are found through an index of any height."""

from pathlib import Path

import pytest
import tensorstore
from etils import epath

from lwm_trainer.checkpoint.integrity import find_damage


@pytest.fixture
def folder(tmp_path: Path) -> epath.Path:
    """200 values in three commits, in a tree whose nodes are as small as they can be; blanks and colons are in its path."""
    place = tmp_path / "a run: 1%20"
    config = {"max_decoded_node_bytes": 200, "max_inline_value_bytes": 1}
    base = {"driver": "file", "path": f"{place}/"}
    store = tensorstore.KvStore.open({"driver": "ocdbt", "base": base, "config": config}).result()
    for begin in (0, 50, 150):
        with tensorstore.Transaction() as transaction:
            for number in range(begin, min(begin + 100, 200)):
                store.with_transaction(transaction)[f"{number:04}"] = bytes([number]) * 20
    manifest = tensorstore.ocdbt.dump(tensorstore.KvStore.open(base).result()).result()
    assert manifest["versions"][-1]["root_height"] > 2
    return epath.Path(place)


def test_every_file_that_the_last_commit_needs_is_missed_and_none_other(folder: epath.Path) -> None:
    assert find_damage(folder) is None
    files = sorted(Path(folder, "d").iterdir())
    for file in files:
        content = file.read_bytes()
        file.unlink()
        readable = all(len(value) == 20 for value in values(folder))
        assert (find_damage(folder) is None) == readable, file
        file.write_bytes(content)
    assert find_damage(folder) is None


def values(folder: epath.Path) -> list[bytes]:
    """All of them; an empty one instead where one cannot be read."""
    try:
        store = tensorstore.KvStore.open({"driver": "ocdbt", "base": {"driver": "file", "path": f"{folder}/"}}).result()
        return [store[key] for key in store.list().result()]
    except (KeyError, ValueError):
        return [b""]


def test_a_file_whose_owner_has_no_name_is_there_all_the_same(folder: epath.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a pod, where nobody has an entry in /etc/passwd."""

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert find_damage(folder) is None


def test_an_index_that_names_nothing_needs_nothing(tmp_path: Path) -> None:
    store = tensorstore.KvStore.open({"driver": "ocdbt", "base": {"driver": "file", "path": f"{tmp_path}/"}}).result()
    store["a"] = b"1"
    del store[b"a"]
    assert find_damage(epath.Path(tmp_path)) is None
