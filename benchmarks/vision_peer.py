"""Frames per second of diffusers' own `VQModel` with the sizes of LWM's tokenizer and random weights, encoding on one core in float32.

It is beside `make bench-vision`, in an environment of its own, because torch is too large for the lock file:

    uv run --no-project --with torch==2.15.0 --with diffusers==0.42.1 python benchmarks/vision_peer.py

Prints a line for a plain matrix product, and one for each number of frames of a call.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before torch counts cores

import torch  # type: ignore[import-not-found]  # noqa: E402
from diffusers import VQModel  # type: ignore[import-not-found]  # noqa: E402

CHANNELS = (128, 256, 256, 512, 768)
BATCHES = (1, 4)
ROUNDS = 3
MATRIX = 2048


def best_seconds(call: Callable[[], Any]) -> float:
    """The shortest of several rounds, after one that is not counted: other programs only ever slow one down."""
    call()
    seconds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def encode(model: Any, pixels: Any) -> Any:
    return model.quantize(model.encode(pixels).latents)


def main() -> None:
    torch.set_num_threads(1)
    matrix = torch.randn(MATRIX, MATRIX)
    print(f"matrix product: {2 * MATRIX**3 / best_seconds(lambda: matrix @ matrix) / 1e9:.0f} GFLOP/s", flush=True)
    model = VQModel(
        block_out_channels=CHANNELS,
        down_block_types=["DownEncoderBlock2D"] * len(CHANNELS),
        up_block_types=["UpDecoderBlock2D"] * len(CHANNELS),
        layers_per_block=2,
        latent_channels=64,
        num_vq_embeddings=8192,
        mid_block_add_attention=False,
    ).eval()
    for batch in BATCHES:
        pixels = torch.rand(batch, 3, 256, 256) * 2 - 1
        with torch.inference_mode():
            seconds = best_seconds(partial(encode, model, pixels))
        print(f"encode, LWM's sizes, batch {batch}: {batch / seconds:.4f} frames/s", flush=True)


if __name__ == "__main__":
    main()
