"""The codes of many pictures and clips, whose frames share batches: pictures alone would leave a batch almost empty."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.data.records.record import BadRecordError
from lwm_trainer.vision.tokenizer import VisionTokenizer

Codes = NDArray[np.int32]
"""[F, N], the codes of all frames of a file."""


@dataclass
class _File:
    """A file whose frames are being encoded."""

    frames: int = 0
    is_read: bool = False
    codes: list[NDArray[np.int32]] = field(default_factory=list)
    error: BadRecordError | None = None


def encode_media(
    tokenizer: VisionTokenizer, files: Iterable[Iterator[NDArray[np.uint8]]], encoded: Callable[[int], None] = lambda _: None
) -> Iterator[Codes | BadRecordError]:
    """Yield the codes of each file in their order, or why it has none.

    Args:
        files: the frames [H, W, 3] of each file, which may raise BadRecordError, such as MediaError. One batch of frames is in memory.
        encoded: called with the number of frames of each batch, after it.
    """
    waiting: list[_File] = []
    pending: list[tuple[_File, NDArray[np.uint8]]] = []

    def flush() -> None:
        if pending:
            for (file, _), codes in zip(pending, tokenizer.encode(np.stack([frame for _, frame in pending])), strict=True):
                file.codes.append(codes)
            encoded(len(pending))
            pending.clear()

    def finished() -> Iterator[Codes | BadRecordError]:
        while waiting and waiting[0].is_read and (waiting[0].error or len(waiting[0].codes) == waiting[0].frames):
            file = waiting.pop(0)
            yield file.error or np.stack(file.codes)

    for frames in files:
        file = _File()
        waiting.append(file)
        try:
            for frame in frames:
                file.frames += 1
                pending.append((file, frame))
                if len(pending) == tokenizer.batch:
                    flush()
        except BadRecordError as error:
            file.error = error
        file.is_read = True
        yield from finished()
    flush()
    yield from finished()
