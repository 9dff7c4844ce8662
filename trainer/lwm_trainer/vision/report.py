"""`lwm vision report`: how well a tokenizer shows pictures that it was not trained on, as figures and as a grid to look at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.vision.tokenizer import VisionTokenizer

WINDOW = 7
"""Pixels of the side of SSIM's windows."""
GRID_PICTURES = 12
"""Pictures of the grid."""


@dataclass(frozen=True)
class Report:
    """Figures over all frames."""

    frames: int
    psnr: float
    """dB: the mean over frames of 10 log10(255^2 / mean squared error)."""
    ssim: float
    codes_used: int
    perplexity: float
    """The exponential of the entropy of the codes in nats: how many codes equally frequent ones would be."""

    def __str__(self) -> str:
        return (
            f"{self.frames} frames: PSNR {self.psnr:.2f} dB, SSIM {self.ssim:.3f}, {self.codes_used} codes used,"
            f" perplexity {self.perplexity:.0f}"
        )


def report(tokenizer: VisionTokenizer, frames: NDArray[np.uint8]) -> tuple[Report, NDArray[np.uint8]]:
    """The figures, and a grid [rows, columns, 3]: pictures at even distances above their reconstructions."""
    codes = tokenizer.encode(frames)
    made = tokenizer.decode(codes)
    counts = np.bincount(codes.ravel(), minlength=tokenizer.config.codebook_size)
    share = counts[counts > 0] / counts.sum()
    figures = Report(
        frames=len(frames),
        psnr=float(np.mean([psnr(one, other) for one, other in zip(frames, made, strict=True)])),
        ssim=float(np.mean([ssim(one, other) for one, other in zip(frames, made, strict=True)])),
        codes_used=len(share),
        perplexity=float(np.exp(-np.sum(share * np.log(share)))),
    )
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(GRID_PICTURES, len(frames))).astype(int))
    return figures, np.concatenate([np.concatenate(list(each[chosen]), axis=1) for each in (frames, made)])


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio of two pictures in dB; infinite for equal ones."""
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Structural similarity (Wang et al. 2004) of two pictures: the mean over channels and all square windows, with sample covariances."""
    x, y = one.astype(np.float64), other.astype(np.float64)
    mean_x, mean_y, count = _window_mean(x), _window_mean(y), WINDOW**2
    sample = count / (count - 1)
    variance_x = sample * (_window_mean(x * x) - mean_x**2)
    variance_y = sample * (_window_mean(y * y) - mean_y**2)
    covariance = sample * (_window_mean(x * y) - mean_x * mean_y)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float(np.mean(luminance * (2 * covariance + c2) / (variance_x + variance_y + c2)))


def _window_mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of all windows that lie within the picture, [H - 6, W - 6, C]."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (WINDOW, WINDOW), axis=(0, 1))
    means: NDArray[np.float64] = windows.mean(axis=(-2, -1))
    return means
