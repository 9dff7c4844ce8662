"""Lists of vision codes as tokens, in the layout of LWM (VisionTextProcessor in its lwm/data.py).

A visual field is a flat list of VQGAN codes, frame after frame. Each frame is followed by the token end of frame, the last one by end of
vision instead, so that a frame of 256 codes takes 257 tokens. `<vision>` and `</vision>` enclose them, as text.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import Frames
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records.record import BadRecordError

OPENING, CLOSING = "<vision>", "</vision>"


def vision_tags(tokenizer: Tokenizer) -> tuple[str | NDArray[np.int32], str | NDArray[np.int32]]:
    """`<vision>` and `</vision>`: one token each if they are special tokens of the tokenizer, else text, as in LWM."""
    special_ids = tokenizer.special_ids
    opening, closing = (np.array([special_ids[tag]], np.int32) if tag in special_ids else tag for tag in (OPENING, CLOSING))
    return opening, closing


def frame_tokens(value: Any, frames: Frames) -> NDArray[np.int32]:
    """The tokens between the tags, int32 [frames * (frames.tokens_per_frame + 1)].

    If there are more frames than `frames.max_frames`, frames at even distances are taken. Raises BadRecordError, whose message continues a
    sentence that begins with the field's name.
    """
    codes = _codes(value, frames.codebook_size)
    count, rest = divmod(len(codes), frames.tokens_per_frame)
    if rest or not count:
        raise BadRecordError(
            f"holds {len(codes)} codes, {count} frames of {frames.tokens_per_frame} and {rest} more: write whole frames or"
            " correct frames.tokensPerFrame"
        )
    by_frame = codes.reshape(count, frames.tokens_per_frame)
    if frames.max_frames is not None and count > frames.max_frames:
        by_frame = by_frame[np.linspace(0, count - 1, frames.max_frames).astype(np.int64)]
    ends = np.full((len(by_frame), 1), frames.codebook_size)
    ends[-1] += 1
    return np.concatenate([by_frame, ends], axis=1).astype(np.int32).ravel()


def _codes(value: Any, size: int) -> NDArray[np.int64]:
    try:
        codes = np.asarray(value if isinstance(value, list | np.ndarray) else None)
    except (ValueError, OverflowError):  # lists of unequal length, numbers beyond 64 bits
        codes = np.asarray(None)
    if codes.ndim == 1 and not len(codes):
        return np.zeros(0, np.int64)
    if codes.ndim != 1 or codes.dtype.kind not in "iu":
        raise BadRecordError("is not a flat list of integers: write the codes of all frames as one list")
    outside = np.flatnonzero((codes < 0) | (codes >= size))
    if len(outside):
        raise BadRecordError(
            f"holds {codes[outside[0]]} at place {outside[0] + 1}, but codes are 0 to {size - 1}: correct it or set frames.codebookSize"
        )
    return codes.astype(np.int64)
