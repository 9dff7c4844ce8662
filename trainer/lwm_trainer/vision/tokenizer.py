"""A vision tokenizer on arrays of frames: uint8 pixels in, codes out, and back.

Letters: F frames, H, W rows and columns, N codes of a frame.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from lwm_trainer.vision import vqgan
from lwm_trainer.vision.vqgan_config import VqganConfig
from lwm_trainer.vision.weights.tokenizer_file import TokenizerFile

Frames = NDArray[np.uint8]
"""[F, H, W, 3], red, green, blue."""
BATCH = 32
"""Frames of a call on an accelerator."""
CPU_BATCH = 4
"""On a CPU larger batches are no faster and take more memory."""


class CodeRangeError(ValueError):
    """A code is not in the codebook."""


class VisionTokenizer:
    """Runs one compiled program on batches of one size, so that a frame's codes do not depend on how many frames come with it."""

    def __init__(
        self,
        file: TokenizerFile,
        *,
        batch: int | None = None,
        decode_dtype: Literal["bfloat16", "float32"] = "bfloat16",
        devices: Sequence[jax.Device] | None = None,
    ) -> None:
        """`batch`: frames of a call to a device; None: by the platform. `decode_dtype`: of the decoder, see `vqgan.decode`.

        `devices`: they take turns, each with a batch of its own; None: JAX's default device.
        """
        self.config: VqganConfig = file.config
        self.fingerprint = file.fingerprint
        self._device_batch = batch or (CPU_BATCH if jax.default_backend() == "cpu" else BATCH)
        self._params = [jax.device_put(file.params, device) for device in devices or [None]]
        self._decode_dtype = decode_dtype

    @property
    def batch(self) -> int:
        """Frames that keep all devices busy."""
        return self._device_batch * len(self._params)

    def encode(self, frames: Frames) -> NDArray[np.int32]:
        """The codes of frames of the tokenizer's size, int32 [F, N], row by row of each frame."""
        side = self.config.image_size
        if frames.ndim != 4 or frames.shape[1:] != (side, side, 3) or frames.dtype != np.uint8:
            raise ValueError(f"frames are {frames.dtype} {frames.shape}, not uint8 (F, {side}, {side}, 3): resize and crop them")
        return self._by_batch(self._encode, frames, np.zeros((0, self.config.codes_per_frame), np.int32))

    def decode(self, codes: NDArray[np.integer]) -> Frames:
        """The frames of codes [F, N]. Raises CodeRangeError for a code that is not in the codebook."""
        count = self.config.codes_per_frame
        if codes.ndim != 2 or codes.shape[1] != count:
            raise ValueError(f"codes are {codes.shape}, not (F, {count}): give all codes of each frame")
        require_codes(codes, self.config.codebook_size)
        side = self.config.image_size
        return self._by_batch(self._decode, codes.astype(np.int32), np.zeros((0, side, side, 3), np.uint8))

    def encode_stream(self, frames: Iterable[Frames]) -> Iterator[NDArray[np.int32]]:
        """The codes of single frames [H, W, 3] as they come, int32 [N] each; one batch of frames is in memory."""
        pending: list[Frames] = []
        for frame in frames:
            pending.append(frame)
            if len(pending) == self.batch:
                yield from self.encode(np.stack(pending))
                pending = []
        if pending:
            yield from self.encode(np.stack(pending))

    def _by_batch(self, run: "jax.stages.Wrapped", values: NDArray[np.generic], empty: NDArray[np.generic]) -> NDArray:  # type: ignore[type-arg]
        """The program's results for all values; the last batch is filled up with zeros, whose results are left out."""
        results = [empty]
        for first in range(0, len(values), self.batch):
            running = []  # a call returns before its device is done
            for params, start in zip(self._params, range(first, len(values), self._device_batch), strict=False):
                part = values[start : start + self._device_batch]
                filled = np.concatenate([part, np.zeros((self._device_batch - len(part), *part.shape[1:]), part.dtype)])
                running.append((run(params, filled), len(part)))
            results += [np.asarray(result)[:count] for result, count in running]
        return np.concatenate(results)

    @cached_property
    def _encode(self) -> "jax.stages.Wrapped":
        return jax.jit(partial(encode_pixels, self.config))

    @cached_property
    def _decode(self) -> "jax.stages.Wrapped":
        return jax.jit(partial(decode_pixels, self.config, dtype=self._decode_dtype))


def encode_pixels(config: VqganConfig, params: vqgan.Params, frame_FHW3: jax.Array) -> jax.Array:
    """As `vqgan.encode`, of uint8 pixels."""
    return vqgan.encode(config, params, frame_FHW3.astype(jnp.float32) / 127.5 - 1)


def decode_pixels(config: VqganConfig, params: vqgan.Params, code_FN: jax.Array, dtype: str) -> jax.Array:
    """As `vqgan.decode`, to uint8 pixels; rounded, because cutting the fraction off would darken them by half a level."""
    pixels = vqgan.decode(config, params, code_FN, jnp.dtype(dtype))
    return jnp.clip(jnp.round((pixels + 1) * 127.5), 0, 255).astype(jnp.uint8)


def require_codes(codes: NDArray[np.integer], size: int) -> None:
    """Raise CodeRangeError, which names the first wrong one, unless all codes are from 0 to `size` - 1."""
    outside = np.argwhere((codes < 0) | (codes >= size))
    if len(outside):
        frame, place = outside[0]
        raise CodeRangeError(
            f"frame {frame + 1} has code {codes[frame, place]} at place {place + 1}, but codes are 0 to {size - 1}: take end of frame and"
            " end of vision out, and decode with the tokenizer that encoded"
        )
