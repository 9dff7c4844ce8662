"""Files that share batches keep their own codes, in their order, and a bad one spoils no other."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lwm_trainer.data.records.record import BadRecordError
from lwm_trainer.vision.encode_media import encode_media
from lwm_trainer.vision.media.errors import MediaError


class Identity:
    """A tokenizer whose only code is the frame's only pixel; it notes its batches."""

    batch = 4

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.int32]:
        self.batches.append(len(frames))
        return frames.reshape(-1, 1).astype(np.int32)


def frames(values: list[int], is_broken: bool) -> Iterator[NDArray[np.uint8]]:
    for value in values:
        yield np.full((1, 1), value, np.uint8)
    if is_broken:
        raise MediaError("broken")


@settings(deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 255), min_size=1, max_size=9), st.booleans()), max_size=8))
def test_each_file_has_its_codes(files: list[tuple[list[int], bool]]) -> None:
    tokenizer = Identity()
    encoded: list[int] = []
    results = list(encode_media(tokenizer, (frames(*file) for file in files), encoded.append))  # type: ignore[arg-type]
    assert encoded == tokenizer.batches
    assert [None if isinstance(result, BadRecordError) else result.ravel().tolist() for result in results] == [
        None if is_broken else values for values, is_broken in files
    ]
    assert all(count == 4 for count in tokenizer.batches[:-1])
