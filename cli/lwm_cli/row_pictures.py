"""The pictures of a row: frames of vision codes, decoded, as PNG files and as coloured blocks for terminals."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lwm_cli.errors import FileError
from lwm_cli.row_view import RowView, Segment
from lwm_trainer.vision.tokenizer import Frames, VisionTokenizer
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer

COLUMNS = 8
"""Frames beside each other in a file."""
SHOWN_FRAMES, SHOWN_SIDE = 4, 32
"""Frames of a document that a terminal shows, and letters of a frame's width."""


class RowPictures:
    """Decodes the frames of documents."""

    def __init__(self, tokenizer: str, fingerprint: str | None) -> None:
        """Read the file `tokenizer`. Raises what `read_tokenizer` raises, and FileError where the codes are of another `fingerprint`."""
        self._tokenizer = VisionTokenizer(read_tokenizer(tokenizer))
        if fingerprint not in (None, self._tokenizer.fingerprint):
            raise FileError(
                f"--vision-tokenizer {tokenizer}: its fingerprint is {self._tokenizer.fingerprint[:16]}, but the codes are of"
                f" {(fingerprint or '')[:16]}: give the tokenizer that encoded them"
            )

    def frames(self, segment: Segment) -> Frames:
        """The frames of a document, [F, H, W, 3]; none for a text. A frame that the row cuts off is left out.

        Raises FileError for codes of another layout.
        """
        sizes = self._tokenizer.config
        codes = segment.tokens[segment.vision]
        ends = np.flatnonzero(codes >= sizes.codebook_size)
        begins = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
        whole = [codes[begin:end] for begin, end in zip(begins, ends, strict=True) if end - begin == sizes.codes_per_frame]
        if len(ends) and len(whole) < len(ends) - 1:  # only the first one may be cut off
            raise FileError(
                f"--vision-tokenizer: has {sizes.codes_per_frame} codes a frame of {sizes.codebook_size}, but {segment.name} has frames of"
                f" {int((ends - begins)[-1])}: give the tokenizer that encoded them"
            )
        return self._tokenizer.decode(np.stack(whole) if whole else np.zeros((0, sizes.codes_per_frame), np.int32))

    def write(self, row: RowView, number: int, directory: Path) -> int:
        """Write the frames of each document of row `number` with pictures as `directory`/row-N-document-M.png; returns how many it has."""
        directory.mkdir(parents=True, exist_ok=True)
        count = 0
        for place, segment in enumerate(row.segments, 1):
            if len(frames := self.frames(segment)):
                Image.fromarray(grid(frames)).save(directory / f"row-{number}-document-{place}.png")
                count += 1
        return count

    def terminal_lines(self, segment: Segment) -> Iterator[str]:
        """Yield lines that show the first frames of a document beside each other; none for a text."""
        frames = self.frames(segment)
        if len(frames):
            yield from half_blocks(frames[:SHOWN_FRAMES])
        if len(frames) > SHOWN_FRAMES:
            yield f"… {len(frames) - SHOWN_FRAMES} more frames"


def grid(frames: Frames) -> NDArray[np.uint8]:
    """The frames in rows of `COLUMNS`, [rows, columns, 3]; what is left of the last row is white."""
    columns = min(COLUMNS, len(frames))
    missing = -len(frames) % columns
    filled = np.concatenate([frames, np.full((missing, *frames.shape[1:]), 255, np.uint8)])
    height, width = frames.shape[1:3]
    laid = filled.reshape(-1, columns, height, width, 3).swapaxes(1, 2)
    return laid.reshape(-1, columns * width, 3)


def half_blocks(frames: Frames) -> Iterator[str]:
    """Yield lines of half blocks in 24-bit colours: a letter shows two pixels, one above the other."""
    pixels = np.concatenate([np.asarray(Image.fromarray(frame).resize((SHOWN_SIDE, SHOWN_SIDE))) for frame in frames], axis=1)
    for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        blocks = (f"\x1b[38;2;{_colour(above)};48;2;{_colour(below)}m▀" for above, below in zip(upper, lower, strict=True))
        yield "".join([*blocks, "\x1b[0m"])


def _colour(pixel: list[int]) -> str:
    return ";".join(map(str, pixel))
