from pathlib import Path
from typing import cast

import pytest

from benchmarks.operator import __main__ as bench
from benchmarks.operator.rows import Row
from benchmarks.operator.workloads import Bench


def good(_: Bench) -> list[Row]:
    return [Row(name="good", value=1.0, unit="s")]


def broken(_: Bench) -> list[Row]:
    raise ValueError("no such pod")


def slow(_: Bench) -> list[Row]:
    bench.out_of_time(0, None)
    return []


def test_what_breaks_is_a_row_that_says_so_and_what_was_measured_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "PARTS", {"a": broken, "b": good, "c": slow, "d": good})
    rows = bench.collect(["a", "b", "c", "d"], cast("Bench", None))
    assert [(row.name, row.value is None) for row in rows[1:]] == [("a", True), ("good", False), ("c and what follows it", True)]
    assert rows[1].note == "ValueError: no such pod"
    assert "not done after 15 minutes" in rows[-1].note
