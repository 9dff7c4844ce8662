"""What serving takes: against figures by hand, and the table of the guide."""

from pathlib import Path

import pytest

from lwm_trainer.config import Model, Vision
from lwm_trainer.config.accelerator_families import TPU_FAMILIES
from lwm_trainer.fit.estimate.serving import ServingEstimate, devices_of, estimate_serving

LWM_7B = Model(
    layers=32, width=4096, heads=32, kv_heads=32, head_dim=128, mlp_width=11008, vocab_size=32000, vision=Vision(vocab_size=8448)
)
MILLION, GIB = 2**20, 2**30
SLICES = [("v4", "4x4x4"), ("v5p", "2x2x4"), ("v5p", "4x4x4"), ("v6e", "4x8"), ("v6e", "8x8")]
GUIDE = Path(__file__).parents[5] / "docs" / "guides" / "serve.md"


def estimate(family: str, topology: str, *, rows: int = 1, chunk: int = 2048) -> ServingEstimate:
    figures = TPU_FAMILIES[family]
    devices = devices_of(topology, figures.devices_per_chip)
    return estimate_serving(LWM_7B, MILLION, figures.device, figures.usable_hbm_bytes, devices, rows=rows, chunk=chunk, dtype="bfloat16")


def test_the_cache_of_a_million_tokens_is_half_a_tebibyte_over_all_devices() -> None:
    made = estimate("v4", "4x4x4")
    assert made.cache * 64 == 512 * GIB
    assert estimate("v4", "4x4x4", rows=3).cache == 3 * made.cache


def test_a_token_takes_as_long_as_reading_the_parameters_and_the_cache() -> None:
    made = estimate("v4", "4x4x4")
    read = 2 * 32 * (4 * 4096**2 + 3 * 4096 * 11008) + 2 * 4096 * (32000 + 8448) + 512 * GIB
    assert made.token_seconds == pytest.approx(read / (64 * 1.2e12))


def test_a_slice_that_is_too_small_does_not_fit() -> None:
    assert estimate("v4", "4x4x4").fits
    assert not estimate("v4", "2x2x4").fits


def test_a_larger_chunk_gathers_the_parameters_less_often() -> None:
    small, large = (estimate("v5p", "4x4x4", chunk=chunk) for chunk in (2048, 16384))
    gathers = 2 * 32 * (4 * 4096**2 + 3 * 4096 * 11008) * (512 - 64) * 63 / 64 / (2 * 1e11 * 0.9)
    assert small.prefill_seconds - large.prefill_seconds == pytest.approx(gathers, rel=1e-3)
    assert large.working > small.working


@pytest.mark.parametrize(("family", "topology"), SLICES)
def test_the_table_of_the_guide_is_what_the_arithmetic_says(family: str, topology: str) -> None:
    made, large = estimate(family, topology), estimate(family, topology, chunk=16384)
    sizes = f"{made.parameters / GIB:.1f} + {made.cache / GIB:.0f} + {made.working / GIB:.1f} of {made.available / GIB:.1f}"
    seconds = f"{made.prefill_seconds:.0f} | {large.prefill_seconds:.0f} | {1000 * made.token_seconds:.1f}"
    assert f"| {family} {topology} | {sizes} | {seconds} |" in GUIDE.read_text(encoding="utf-8")
