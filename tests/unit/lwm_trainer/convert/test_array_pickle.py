"""Pickles of arrays are read, and every other object is refused before it is made."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lwm_trainer.convert.array_pickle import load_arrays
from lwm_trainer.convert.errors import ConversionError

ARRAYS: dict[str, Any] = {
    "a": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)},
    "b": np.asfortranarray(np.ones((2, 2), np.float16)),
}


class Runs:
    """What an attacker would put in: loading it runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_nested_arrays_are_read(protocol: int, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pickle.dumps(ARRAYS, protocol))
    arrays = load_arrays(tmp_path / "x")
    np.testing.assert_array_equal(arrays["a/kernel"], ARRAYS["a"]["kernel"])
    np.testing.assert_array_equal(arrays["b"], ARRAYS["b"])


def test_code_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pickle.dumps({"a": Runs(f"touch {tmp_path}/ran")}))
    with pytest.raises(ConversionError, match=r"x: no pickle of arrays \(it holds posix.system, and only arrays of NumPy are admitted\)"):
        load_arrays(tmp_path / "x")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"a": 1}), "a is int, not an array"),
        (pickle.dumps({"a": np.array(["x"])}), "a is an array of <U1, not of numbers"),
        (pickle.dumps({"a": np.array([None])}), "a is an array of object, not of numbers"),
        (pickle.dumps({"a": np.ma.zeros(2)}), "only arrays of NumPy are admitted"),
        (pickle.dumps(ARRAYS)[:60], "no pickle of arrays"),
        (b"", "no pickle of arrays"),
    ],
)
def test_anything_else_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ConversionError, match=message):
        load_arrays(tmp_path / "x")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="none: No such file"):
        load_arrays(tmp_path / "none")
