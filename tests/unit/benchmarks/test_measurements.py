import json
from pathlib import Path

import pytest

from benchmarks.measurements import Measurement, MeasurementName, number, parts, read, run, table, write

FAST = Measurement(name="causal fwd+bwd 8192 vs ringattention", value=2347.0, unit="ms", ratio=1.24, percent_of_limit=41.0, note="5 rounds")
VOID = Measurement(name="packed4 fwd 4096 vs ringattention", value=None, unit="ms", note="VOID: the results differ by 1e-02")


def test_a_name_says_what_ran_and_against_whom_and_can_be_read_back() -> None:
    name = MeasurementName("packed16", run(True), 8192, "jax.nn.dot_product_attention")
    assert str(name) == "packed16 fwd+bwd 8192 vs jax.nn.dot_product_attention"
    assert parts(str(name)) == name
    assert (name.backward, name._replace(run=run(False)).backward) == (True, False)
    assert parts("memory: deviation from a straight line") is None


@pytest.mark.parametrize(("value", "text"), [(None, ""), (0.1234, "0.123"), (12.34, "12.3"), (1234.5, "1,234")])
def test_figures_have_three_digits_that_count(value: float | None, text: str) -> None:
    assert number(value) == text


def test_the_table_has_a_line_a_row_and_says_where_there_is_no_figure() -> None:
    lines = table([FAST, VOID]).splitlines()
    assert len(lines) == 1 + 2
    assert lines[1].split() == [*FAST.name.split(), "2,347", "ms", "1.24", "41", "5", "rounds"]
    assert lines[2].split()[5:8] == ["NONE", "ms", "VOID:"]
    assert len({line.index("ms") for line in lines[1:]}) == 1


def test_the_file_holds_the_circumstances_and_every_row(tmp_path: Path) -> None:
    path = tmp_path / "new" / "attention.json"
    write([FAST, VOID], {"device": {"cores": 2}, "load": {"average_at_start": 0.5}}, path)
    document = json.loads(path.read_text())
    assert (document["device"], document["load"]) == ({"cores": 2}, {"average_at_start": 0.5})
    assert set(document["rows"][0]) == {"name", "value", "unit", "ratio", "percent_of_limit", "note"}
    assert read(path) == [FAST, VOID]
