"""Frames to codes and back on the host: ranges, batches, neighbours."""

from functools import cache

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm_trainer.vision import vqgan
from lwm_trainer.vision.tokenizer import CodeRangeError, VisionTokenizer
from lwm_trainer.vision.weights.tokenizer_file import TokenizerFile
from support.tiny_vqgan import TINY

CONFIG = TINY
FRAMES = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)


@cache
def tokenizer(batch: int) -> VisionTokenizer:
    return VisionTokenizer(TokenizerFile(CONFIG, vqgan.init(CONFIG, 0), "x", ""), batch=batch)


@settings(max_examples=20, deadline=None)
@given(batch=st.sampled_from([1, 2, 4]), order=st.lists(st.integers(0, 8), min_size=1, max_size=9))
def test_the_codes_of_a_frame_depend_on_the_frame_alone(batch: int, order: list[int]) -> None:
    alone = np.concatenate([tokenizer(1).encode(FRAMES[number : number + 1]) for number in order])
    together = tokenizer(batch).encode(FRAMES[order])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(np.stack(list(tokenizer(batch).encode_stream(FRAMES[order]))), alone)
    assert len(np.unique(together)) > 1


def test_devices_take_turns() -> None:
    """The one device of this process, three times."""
    file = TokenizerFile(CONFIG, vqgan.init(CONFIG, 0), "x", "")
    several = VisionTokenizer(file, batch=2, devices=[*jax.local_devices()[:1]] * 3)
    assert several.batch == 6
    np.testing.assert_array_equal(several.encode(FRAMES), tokenizer(2).encode(FRAMES))


def test_codes_come_back_as_frames() -> None:
    codes = tokenizer(2).encode(FRAMES)
    frames = tokenizer(2).decode(codes)
    assert frames.shape == FRAMES.shape
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames[3:4], tokenizer(1).decode(codes[3:4]))


@pytest.mark.parametrize("code", [-1, 16, 8192])
def test_a_code_outside_the_codebook_is_an_error(code: int) -> None:
    codes = np.zeros((3, 16), np.int64)
    codes[1, 5] = code
    with pytest.raises(CodeRangeError, match=f"frame 2 has code {code} at place 6, but codes are 0 to 15"):
        tokenizer(1).decode(codes)


def test_arrays_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"frames are uint8 \(9, 4, 8, 3\), not uint8 \(F, 8, 8, 3\)"):
        tokenizer(1).encode(FRAMES[:, :4])
    with pytest.raises(ValueError, match="give all codes of each frame"):
        tokenizer(1).decode(np.zeros((1, 15), np.int64))
