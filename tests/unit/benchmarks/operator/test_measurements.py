import json
from pathlib import Path

import pytest

from benchmarks.operator.measurements import OperatorMeasurement, number, percentile, table, write

FAST = OperatorMeasurement(name="killed to Job", value=2.5, unit="s", peer=10.0, aim=5.0, note="six kills")
SLOW = OperatorMeasurement(name="lost to Job", value=61.0, unit="s", aim=60.0)
BROKEN = OperatorMeasurement(name="load", value=None, unit="", note="WatchTimeoutError: no pod")


def test_a_percentile_is_one_of_the_values_and_of_few_the_largest() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.95) == 3.0
    assert percentile([float(value) for value in range(1, 101)], 0.95) == 95.0
    assert percentile([7.0], 0.0) == 7.0
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 0.95)


def test_a_row_says_how_many_times_the_peer_and_whether_the_aim_was_met() -> None:
    assert (FAST.ratio, FAST.verdict) == (0.25, "ok")
    assert (SLOW.ratio, SLOW.verdict) == (None, "MISSED")
    assert (BROKEN.ratio, BROKEN.verdict) == (None, "NOT MEASURED")
    assert OperatorMeasurement(name="calls", value=0.0, unit="1", peer=0.0).ratio is None


def test_the_table_has_a_line_a_row_and_the_notes_below() -> None:
    lines = table([FAST, SLOW, BROKEN]).splitlines()
    assert len(lines) == 1 + 3 + 2
    assert lines[1].split() == ["killed", "to", "Job", "2.5", "10", "0.25", "5", "s", "ok"]
    assert lines[2].endswith("s MISSED")
    assert lines[3].endswith("NOT MEASURED")
    assert lines[5] == "  load: WatchTimeoutError: no pod"


@pytest.mark.parametrize(("value", "text"), [(None, ""), (0.1234, "0.123"), (12.34, "12.3"), (1234.5, "1234")])
def test_figures_have_three_digits_that_count(value: float | None, text: str) -> None:
    assert number(value) == text


def test_the_file_holds_every_row_with_its_ratio(tmp_path: Path) -> None:
    write([FAST, BROKEN], tmp_path / "new" / "operator.json")
    first, second = json.loads((tmp_path / "new" / "operator.json").read_text())
    assert first == {"name": "killed to Job", "value": 2.5, "unit": "s", "peer": 10.0, "ratio": 0.25, "aim": 5.0, "note": "six kills"}
    assert second["value"] is None
