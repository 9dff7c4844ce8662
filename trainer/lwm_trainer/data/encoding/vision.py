"""Lists of vision codes as tokens, as LWM lays them out (VisionTextProcessor in its lwm/data.py).

A field is a flat list of codes, frame after frame. Each frame is followed by the token end of frame, the last one by end of vision in
its place, so that a frame of 256 codes takes 257 tokens. `<vision>` and `</vision>` stand around, as text.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import Frames
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records.record import BadRecordError

OPENING, CLOSING = "<vision>", "</vision>"


def tags(tokenizer: Tokenizer) -> tuple[str | NDArray[np.int32], str | NDArray[np.int32]]:
    """`<vision>` and `</vision>`: one token each where they are special tokens of the tokenizer, else text, as in LWM."""
    opening, closing = (np.array([tokenizer.specials[tag]], np.int32) if tag in tokenizer.specials else tag for tag in (OPENING, CLOSING))
    return opening, closing


def frames(found: Any, contract: Frames) -> NDArray[np.int32]:
    """The tokens between the tags, int32 [frames * (contract.tokens + 1)]; of more frames than `limit`, as many at even distances.

    Raises BadRecordError, to be read after the field's name.
    """
    codes = _codes(found, contract.codes)
    count, tail = divmod(len(codes), contract.tokens)
    if tail or not count:
        raise BadRecordError(
            f"holds {len(codes)} codes, {count} frames of {contract.tokens} and {tail} more: write whole frames or correct frames.tokens"
        )
    by_frame = codes.reshape(count, contract.tokens)
    if contract.limit is not None and count > contract.limit:
        by_frame = by_frame[np.linspace(0, count - 1, contract.limit).astype(np.int64)]
    ends = np.full((len(by_frame), 1), contract.codes)
    ends[-1] += 1
    return np.concatenate([by_frame, ends], axis=1).astype(np.int32).ravel()


def _codes(found: Any, size: int) -> NDArray[np.int64]:
    try:
        codes = np.asarray(found if isinstance(found, list | np.ndarray) else None)
    except (ValueError, OverflowError):  # lists of unequal length, numbers beyond 64 bits
        codes = np.asarray(None)
    if codes.ndim == 1 and not len(codes):
        return np.zeros(0, np.int64)
    if codes.ndim != 1 or codes.dtype.kind not in "iu":
        raise BadRecordError("is no flat list of whole numbers: write the codes of all frames as one list")
    outside = np.flatnonzero((codes < 0) | (codes >= size))
    if len(outside):
        raise BadRecordError(
            f"holds {codes[outside[0]]} at place {outside[0] + 1}, but codes are 0 to {size - 1}: correct it or set frames.codes"
        )
    return codes.astype(np.int64)
