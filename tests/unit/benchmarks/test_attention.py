"""The parts of `make bench-attention` that need no clock."""

import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks import timing
from benchmarks.attention import training_step
from benchmarks.attention.external_parts import beside_peers, measurement
from benchmarks.attention.memory import line
from benchmarks.attention.plot import draw
from benchmarks.attention.wall_time import difference
from benchmarks.attention.workload import document_lengths, order, starts, useful_flops
from benchmarks.measurements import Measurement, MeasurementName, number, parts, read, run, table, write
from benchmarks.timing import Round

FAST = Measurement(name="causal fwd+bwd 8192 vs ringattention", value=2347.0, unit="ms", ratio=1.24, percent_of_limit=41.0, note="5 rounds")
VOID = Measurement(name="packed4 fwd 4096 vs ringattention", value=None, unit="ms", note="VOID: the results differ by 1e-02")


def test_useful_arithmetic_is_the_causal_half_of_each_document_and_three_and_a_half_times_that_with_the_backward_pass() -> None:
    pairs = sum(range(1, 1025))
    assert useful_flops([1024], 4, 128, False) == pytest.approx(4 * pairs * 128 * 4, rel=1e-3)
    assert useful_flops([1024], 4, 128, True) == 3.5 * useful_flops([1024], 4, 128, False)
    assert useful_flops([256] * 4, 4, 128, False) == useful_flops([1024], 4, 128, False) / 4


def test_a_training_step_counts_six_a_parameter_and_token_and_attention() -> None:
    model = training_step.model_of(128)
    matrices = 4 * (4 * 128 * 128 + 3 * 128 * 512) + 128 * 2048
    assert training_step.step_flops(model, 1000) == 6 * matrices * 1000 + 4 * useful_flops([1000], 2, 64, True)


@pytest.mark.parametrize("documents", [1, 4, 16])
def test_documents_fill_the_row_unevenly_and_in_the_same_proportions_for_every_length(documents: int) -> None:
    lengths = document_lengths(4096, documents)
    assert (len(lengths), sum(lengths)) == (documents, 4096)
    assert len(set(lengths)) > documents / 2
    assert np.allclose(np.array(document_lengths(8192, documents)) / 2, lengths, atol=1)


def test_every_token_knows_where_its_document_starts() -> None:
    assert starts([2, 3, 1]).tolist() == [0, 0, 2, 2, 2, 5]


def test_the_order_is_a_permutation_that_ascends_within_each_rank() -> None:
    places = order(starts(document_lengths(64, 4)), 8)
    assert sorted(places) == list(range(64))
    assert all((np.diff(rank) > 0).all() for rank in places.reshape(8, -1))


def test_a_ratio_is_the_median_of_those_of_the_rounds_and_not_the_ratio_of_the_medians() -> None:
    done = [Round({"ours": ours, "peer": peer}, limit) for ours, peer, limit in ((1.0, 2.0, 100.0), (10.0, 11.0, 10.0), (3.0, 9.0, 50.0))]
    assert timing.ratio(done, "ours", "peer") == 2.0
    assert timing.seconds(done, "ours") == 3.0
    assert timing.percent_of_limit(done, "ours", 50.0) == pytest.approx(100 * 50 / 10.0 / 10.0)


def test_rounds_are_as_many_as_fit_and_turn_round(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(timing, "limit", lambda _=0.0: 1e9)

    def call(name: str) -> str:
        called.append(name)
        return name

    calls = {name: partial(call, name) for name in ("ours", "peer")}
    done, first = timing.rounds(calls, budget=0.0, least=2)
    assert (len(done), called, first) == (2, ["ours", "peer", "peer", "ours"], {"ours": "ours", "peer": "peer"})
    done, _ = timing.rounds(calls, budget=1e9, most=5)
    assert len(done) == 5 - 1, "the first of many rounds is a warm-up"


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


def test_wrong_numbers_are_seen_also_where_they_are_none() -> None:
    right = np.array([1.0, -2.0])
    assert difference(np.array([1.0, -1.98]), right) == pytest.approx(0.01)
    assert np.isnan(difference(np.array([np.nan, -2.0]), right))


def test_memory_on_a_straight_line_does_not_deviate_and_off_it_does() -> None:
    lengths = [4096, 8192, 16384, 65536]
    slope, deviation = line(lengths, [2 + 0.003 * length for length in lengths])
    assert slope == pytest.approx(0.003)
    assert deviation < 1e-9
    assert line(lengths, [length**1.5 for length in lengths])[1] > 0.05


def test_counted_work_of_our_layout_stands_beside_that_of_the_others() -> None:
    key = {"mix": "books", "ring": 8, "figure": "busiest rank / mean", "unit": "1"}
    planner = key | {"layout": "planned", "figure": "planner", "value": 90.0, "unit": "ms"}
    counted = {"contiguous": 3.6, "zigzag": 2.4, "planned": 1.2}
    measurements = list(beside_peers([*(key | {"layout": layout, "value": value} for layout, value in counted.items()), planner]))
    assert measurements == [
        Measurement(name="busiest rank / mean, books, ring of 8 vs contiguous", value=1.2, unit="1", ratio=3.0),
        Measurement(name="busiest rank / mean, books, ring of 8 vs zigzag", value=1.2, unit="1", ratio=2.0),
        Measurement(name="planner, books, ring of 8", value=90.0, unit="ms"),
    ]


def test_a_dictionary_of_another_module_is_taken_as_a_row() -> None:
    assert measurement({"name": "kernel", "value": 1.0, "unit": "ms", "device": "a GPU"}) == Measurement(
        name="kernel", value=1.0, unit="ms"
    )
    assert measurement(FAST) is FAST


def test_the_picture_is_made_of_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "new" / "attention.png"
    assert draw([FAST, VOID], path, "one machine")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert not draw([VOID], tmp_path / "none.png", "one machine")
    assert not (tmp_path / "none.png").exists()
