"""Figures against loops, and of codes that are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lwm_trainer.vision.report import psnr, report, ssim


def ssim_of_loops(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The published formula, window by window."""
    values = []
    for row, column, channel in np.ndindex(one.shape[0] - 6, one.shape[1] - 6, 3):
        x, y = (each[row : row + 7, column : column + 7, channel].astype(np.float64).ravel() for each in (one, other))
        (variance_x, covariance), (_, variance_y) = np.cov(x, y)
        c1, c2 = 2.55**2, 7.65**2
        luminance = (2 * x.mean() * y.mean() + c1) / (x.mean() ** 2 + y.mean() ** 2 + c1)
        values.append(luminance * (2 * covariance + c2) / (variance_x + variance_y + c2))
    return float(np.mean(values))


def test_psnr_and_ssim_are_those_of_their_formulas() -> None:
    random = np.random.default_rng(0)
    smooth = np.linspace(0, 255, 12)[:, None, None] * np.linspace(0.2, 1, 10)[None, :, None] * np.ones(3)
    one = smooth.astype(np.uint8)
    other = np.clip(smooth + random.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)
    error = sum((int(x) - int(y)) ** 2 for x, y in zip(one.ravel(), other.ravel(), strict=True)) / one.size
    assert psnr(one, other) == pytest.approx(20 * np.log10(255 / error**0.5), abs=1e-9)
    assert ssim(one, other) == pytest.approx(ssim_of_loops(one, other), abs=1e-9)
    assert (psnr(one, one), ssim(one, one)) == (float("inf"), 1)


class Rounding:
    """A tokenizer of one-pixel frames with two codes: dark and light."""

    class config:  # noqa: N801
        codebook_size = 8

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.int64]:
        return (frames[:, 0, :1, 0] > 127).astype(np.int64)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.broadcast_to(codes[:, :, None, None] * 200, (len(codes), 8, 8, 3)).astype(np.uint8)


def test_the_report_counts_codes_and_shows_pictures_above_reconstructions() -> None:
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    frames[:2] = 210
    figures, grid = report(Rounding(), frames)  # type: ignore[arg-type]
    assert (figures.frames, figures.codes_used) == (4, 2)
    assert figures.perplexity == pytest.approx(2)
    assert grid.shape == (16, 32, 3)
    assert grid[:8, :16].min() == 210
    assert grid[8:, :16].max() == 200
