"""`make bench-vision`: frames per second of encoding and decoding on one core, beside a plain matrix product, and memory over a long clip.

The sizes are LWM's tokenizer, with random weights, and the example's small one. The peer, diffusers, needs torch and runs in an
environment of its own: vision_peer.py. Prints a table and writes build/benchmarks/vision.json.
"""

import multiprocessing
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import jax
import numpy as np

from benchmarks import timing
from benchmarks.measurements import Measurement
from benchmarks.trainer_benchmark import TrainerBenchmark
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.media.read_media import read_media
from lwm_trainer.vision.media.sampling import Sampling
from lwm_trainer.vision.tokenizer import VisionTokenizer, decode_pixels, encode_pixels
from lwm_trainer.vision.training.recipe import SMALL
from lwm_trainer.vision.vqgan_config import VqganConfig
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer
from quickstart.sample_pictures import clip_file
from quickstart.storage import VISION_TOKENIZER

CLIP = "carphone_pristine.mp4"
RATE = 1.0
"""Frames of a second of the long clip that are encoded."""


class Sizes(NamedTuple):
    lwm_batches: tuple[int, ...]
    """Frames of a call of LWM's tokenizer: 300 MB of activations each."""
    seconds: int
    """Length of the long clip."""
    budget: float
    """Seconds of a contest, if its least number of rounds fits into them."""


def encode(sizes: Sizes) -> Iterable[Measurement]:
    """Frames per second from pixels to codes, in float32."""
    yield from _speeds("LWM's", VqganConfig(), sizes.lwm_batches, sizes.budget)
    yield from _speeds("small", SMALL, (1, 4, 32), sizes.budget)


def _speeds(name: str, config: VqganConfig, batches: Sequence[int], budget: float) -> Iterable[Measurement]:
    params = jax.device_put(vqgan.init(config, 0))
    side = config.image_size
    run = jax.jit(partial(encode_pixels, config))
    pixels = {str(batch): np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8) for batch in batches}
    calls = {batch: partial(run, params, frames) for batch, frames in pixels.items()}
    yield from _contest(f"encode, {name}", calls, _flops(run, params, pixels[str(batches[0])]) / batches[0], budget)


def decode(sizes: Sizes) -> Iterable[Measurement]:
    """Frames per second from codes to pixels, as `lwm vision decode` does it and in float32; the small tokenizer."""
    params = jax.device_put(vqgan.init(SMALL, 0))
    codes = np.random.default_rng(0).integers(0, SMALL.codebook_size, (32, SMALL.codes_per_frame), np.int32)
    for dtype in ("float32", "bfloat16"):
        run = jax.jit(partial(decode_pixels, SMALL, dtype=dtype))
        flops = _flops(run, params, codes) / len(codes)
        yield from _contest(f"decode, small, {dtype}", {str(len(codes)): partial(run, params, codes)}, flops, sizes.budget)


def _flops(run: "jax.stages.Wrapped", *arguments: object) -> float:
    analysis = run.lower(*arguments).cost_analysis()
    return float(analysis["flops"])  # type: ignore[index]


def _contest(name: str, calls: Mapping[str, timing.Call], flops: float, budget: float) -> Iterable[Measurement]:
    """A row for each number of frames of a call; the ratio is to one frame a call."""
    for call in calls.values():
        timing.timed(call)
    rounds, _ = timing.rounds(calls, budget)
    least = min(calls, key=int)
    for batch in calls:
        yield Measurement(
            name=f"{name}, batch {batch}",
            value=int(batch) / timing.seconds(rounds, batch),
            unit="frames/s",
            ratio=None if batch == least else timing.ratio(rounds, batch, least) * int(batch) / int(least),
            percent_of_limit=timing.percent_of_limit(rounds, batch, flops * int(batch)),
            note=f"{flops / 1e9:.3g} GFLOP a frame{f'; ratio: to batch {least}' if batch != least else ''}",
        )


def clip(sizes: Sizes) -> Iterable[Measurement]:
    """Peak memory of a process that encodes a clip, once as it is and once looped."""
    with tempfile.TemporaryDirectory(prefix="lwm-bench-") as folder:
        looped = Path(folder) / "looped.mp4"
        frames = loop(clip_file(CLIP), looped, sizes.seconds)
        base = _encoded(clip_file(CLIP))
        long = _encoded(looped)
    yield Measurement(name="clip as it is, peak memory", value=base.mebibytes, unit="MiB", note=f"{base.frames} frames encoded")
    yield Measurement(
        name=f"clip of {sizes.seconds} s, peak memory",
        value=long.mebibytes,
        unit="MiB",
        ratio=base.mebibytes / long.mebibytes,
        note=f"{frames:,} frames, {long.frames} of them encoded; ratio: to the clip as it is",
    )


def loop(source: Path, target: Path, seconds: int) -> int:
    """Write the packets of a clip again and again, without decoding them, until the clip has this length; returns its frames."""
    with av.open(str(source)) as first:
        stream = first.streams.video[0]
        rate = stream.average_rate or Fraction(25)
        step, count = int(1 / (rate * Fraction(stream.time_base or 1))), stream.frames
    repeats = -(-int(seconds * rate) // count)
    with av.open(str(target), "w") as out:
        for number in range(repeats):
            with av.open(str(source)) as opened:
                stream = opened.streams.video[0]
                copy = out.streams.video[0] if number else out.add_stream_from_template(stream)
                for packet in opened.demux(stream):
                    if packet.dts is not None and packet.pts is not None:
                        packet.dts, packet.pts = packet.dts + number * count * step, packet.pts + number * count * step
                        packet.stream = copy
                        out.mux(packet)
    return repeats * count


class Encoded(NamedTuple):
    frames: int
    mebibytes: float
    """Largest resident size of the process."""


def _encoded(file: Path) -> Encoded:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(encode_clip, str(file)).result()


def encode_clip(file: str) -> Encoded:
    """Encode a clip at `RATE` with the small tokenizer, as preparation does; in a process of its own."""
    jax.config.update("jax_platforms", "cpu")
    tokenizer = VisionTokenizer(read_tokenizer(str(VISION_TOKENIZER)))
    with Path(file).open("rb") as opened:
        frames = read_media(opened, file, tokenizer.config.image_size, Sampling(RATE))
        count = sum(1 for _ in tokenizer.encode_stream(frames))
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if match is None:
        raise RuntimeError("/proc/self/status names no VmHWM")
    return Encoded(count, int(match[1]) / 1024)


BENCHMARK = TrainerBenchmark(
    name="vision",
    about=__doc__,
    parts={"encode": encode, "decode": decode, "clip": clip},
    full=Sizes(lwm_batches=(1, 32), seconds=3600, budget=60.0),
    quick=Sizes(lwm_batches=(1,), seconds=300, budget=5.0),
    sample="LWM's tokenizer for single frames only, and a clip of five minutes",
    longest_minutes=40,
)


def main(arguments: Sequence[str]) -> int:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before JAX counts cores
    return BENCHMARK.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
