"""Figures against scikit-image's, and of codes that are known."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import metrics as untyped_metrics

from lwm_trainer.vision.report import psnr, report, ssim

metrics: Any = untyped_metrics


def test_psnr_and_ssim_are_those_of_scikit_image() -> None:
    random = np.random.default_rng(0)
    smooth = np.linspace(0, 255, 40)[:, None, None] * np.linspace(0.2, 1, 30)[None, :, None] * np.ones(3)
    one = smooth.astype(np.uint8)
    other = np.clip(smooth + random.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)
    assert psnr(one, other) == pytest.approx(metrics.peak_signal_noise_ratio(one, other), abs=1e-9)
    assert ssim(one, other) == pytest.approx(metrics.structural_similarity(one, other, channel_axis=-1, data_range=255), abs=1e-6)
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
