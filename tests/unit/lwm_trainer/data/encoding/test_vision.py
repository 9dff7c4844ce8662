"""Vision codes as tokens: LWM's layout, sampling, and what is said of codes that are none."""

from typing import Any

import numpy as np
import pytest

from lwm_trainer.config import Frames
from lwm_trainer.data.encoding.vision import frame_tokens
from lwm_trainer.data.records.record import BadRecordError


def test_each_frame_is_followed_by_its_end_and_the_last_by_the_end_of_vision() -> None:
    result = frame_tokens([*range(256), *range(1000, 1256), *range(8192 - 256, 8192)], Frames())
    assert result.dtype == np.int32
    assert result.reshape(3, 257)[:, 0].tolist() == [0, 1000, 7936]
    assert result.reshape(3, 257)[:, 255].tolist() == [255, 1255, 8191]
    assert result.reshape(3, 257)[:, 256].tolist() == [8192, 8192, 8193]


def test_one_frame_is_the_last_and_a_small_codebook_has_its_own_ends() -> None:
    assert frame_tokens([5, 6], Frames(tokens_per_frame=2, codebook_size=7)).tolist() == [5, 6, 8]
    assert frame_tokens(np.array([5, 6, 0, 1]), Frames(tokens_per_frame=2, codebook_size=7)).tolist() == [5, 6, 7, 0, 1, 8]


@pytest.mark.parametrize(
    ("count", "limit", "kept"),
    [(3, 3, [0, 1, 2]), (5, 3, [0, 2, 4]), (10, 4, [0, 3, 6, 9]), (9, 4, [0, 2, 5, 8]), (7, 1, [0]), (2, None, [0, 1])],
)
def test_of_more_frames_than_the_limit_some_are_taken_at_even_distances(count: int, limit: int | None, kept: list[int]) -> None:
    contract = Frames(tokens_per_frame=1, max_frames=limit)
    result = frame_tokens(list(range(count)), contract)
    assert result[::2].tolist() == kept
    assert result[1::2].tolist() == [8192] * (len(kept) - 1) + [8193]


FLAT = "is not a flat list of integers: write the codes of all frames as one list"


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        ([1, 2, 3], "holds 3 codes, 1 frames of 2 and 1 more: write whole frames or correct frames.tokensPerFrame"),
        ([1], "holds 1 codes, 0 frames of 2 and 1 more: write whole frames or correct frames.tokensPerFrame"),
        ([], "holds 0 codes, 0 frames of 2 and 0 more: write whole frames or correct frames.tokensPerFrame"),
        ([1, 7], "holds 7 at place 2, but codes are 0 to 6: correct it or set frames.codebookSize"),
        ([1, 2, -1, 9], "holds -1 at place 3, but codes are 0 to 6: correct it or set frames.codebookSize"),
        ([1, 2.0], FLAT),
        ([[1, 2], [3, 4]], FLAT),
        ([[1, 2], [3]], FLAT),
        ([1, "2"], FLAT),
        ([1, None], FLAT),
        ([True, False], FLAT),
        ([1, 2**70], FLAT),
        ("12", FLAT),
        ({"1": 2}, FLAT),
        (None, FLAT),
        (12, FLAT),
    ],
)
def test_codes_that_are_none_are_refused(codes: Any, error: str) -> None:
    with pytest.raises(BadRecordError) as raised:
        frame_tokens(codes, Frames(tokens_per_frame=2, codebook_size=7))
    assert str(raised.value) == error
