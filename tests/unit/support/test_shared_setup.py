from pathlib import Path
from typing import Any

import pytest

from support.shared_setup import shared


def test_the_first_holder_makes_and_the_last_one_removes(tmp_path: Path) -> None:
    calls: list[Any] = []

    def make() -> list[str]:
        calls.append("make")
        return ["image", "other image"]

    def hold() -> Any:
        return shared(tmp_path, "images", make, calls.append)

    with hold() as first, hold() as second:
        assert first == second == ["image", "other image"]
        assert calls == ["make"]
    assert calls == ["make", ["image", "other image"]]
    with hold():
        assert calls[2:] == ["make"]


def test_what_could_not_be_made_is_tried_by_the_next_one(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError("no cluster")

    with pytest.raises(RuntimeError, match="no cluster"), shared(tmp_path, "operator", fail):
        pass
    with shared(tmp_path, "operator", lambda: "made") as value:
        assert value == "made"
