"""What `make bench-attention` computes from its measurements: it needs no clock."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.attention import training_step
from benchmarks.attention.external_parts import beside_peers, measurement
from benchmarks.attention.memory import line
from benchmarks.attention.plot import draw
from benchmarks.attention.wall_time import difference
from benchmarks.attention.workload import useful_flops
from benchmarks.measurements import Measurement

FAST = Measurement(name="causal fwd+bwd 8192 vs ringattention", value=2347.0, unit="ms", ratio=1.24, percent_of_limit=41.0, note="5 rounds")
VOID = Measurement(name="packed4 fwd 4096 vs ringattention", value=None, unit="ms", note="VOID: the results differ by 1e-02")


def test_a_training_step_counts_six_a_parameter_and_token_and_attention() -> None:
    model = training_step.model_of(128)
    matrices = 4 * (4 * 128 * 128 + 3 * 128 * 512) + 128 * 2048
    assert training_step.step_flops(model, 1000) == 6 * matrices * 1000 + 4 * useful_flops([1000], 2, 64, True)


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
