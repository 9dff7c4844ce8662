"""Frames of a film whose codes are its frame numbers, and shapes with codes of their own."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from lwm_trainer.evaluation.suite import SuiteError
from lwm_trainer.evaluation.suites.shape_pictures import SHAPES, Shape
from lwm_trainer.evaluation.suites.video_needle import VideoNeedleSettings, VideoNeedleSuite
from support.letter_tokens import tokenize

CODES, SHAPE_CODES = 5, 1000


def film() -> Iterator[Sequence[int]]:
    yield from ([number] * CODES for number in range(30))


def encode(shape: Shape) -> Sequence[int]:
    return [SHAPE_CODES + SHAPES.index(shape)] * CODES


def span(frames: Sequence[Sequence[int]]) -> Any:
    """Two tags around, and one token after each frame."""
    codes = [code for frame in frames for code in (*frame, -1)]
    return np.array([7, *codes, 8], np.int32), np.array([False, *[True] * len(codes), False])


def suite(**changes: Any) -> VideoNeedleSuite:
    settings = {"lengths": (300, 420), "depths": (0.0, 0.5, 1.0), "rounds": 2, **changes}
    return VideoNeedleSuite(VideoNeedleSettings(**settings), film, encode, span, tokenize)


def test_one_frame_is_the_shape_at_its_depth_and_the_others_are_the_film_in_its_order() -> None:
    made = suite()
    for key in made.question_keys():
        question = made.question(key)
        assert question.vision is not None
        vision = question.prompt[question.vision]
        frames = vision[vision >= 0].reshape(-1, CODES)[:, 0].tolist()
        place = frames.index(next(code for code in frames if code >= SHAPE_CODES))
        assert question.details["needle_frame"] == place == round((key.depth or 0) * (len(frames) - 1))
        shape = SHAPES[frames.pop(place) - SHAPE_CODES]
        assert question.expected == tuple(shape)
        assert question.reference == f" {shape}" in question.choices
        first = key.number * (len(frames) + 1)
        assert frames == [number % 30 for number in range(first, first + len(frames))]
        assert question.details["film_frames"] == (30 if first + len(frames) > 30 else None)
        assert key.length - CODES - 1 < len(question.prompt) + made.answer_tokens + 1 <= key.length
        assert (question.prompt == suite().question(key).prompt).all()


def test_color_and_shape_must_both_be_named_and_no_others() -> None:
    made = suite()
    assert made.score(("red", "circle"), " Red circle") == 1
    assert made.score(("red", "circle"), " red or blue circle") == 0
    assert made.score(("red", "circle"), " circle") == 0


def test_a_length_without_room_and_an_empty_film_are_refused() -> None:
    made = suite(lengths=(160,))
    with pytest.raises(SuiteError, match="a length of 160 tokens has no room for two frames of 6"):
        made.question(made.question_keys()[0])
    empty = VideoNeedleSuite(VideoNeedleSettings(lengths=(300,), depths=(0.5,)), lambda: iter(()), encode, span, tokenize)
    with pytest.raises(SuiteError, match="--film: has no frame"):
        empty.question(empty.question_keys()[0])
