"""Pictures and clips of requests become codes, and codes of answers become pictures. Nothing is ever fetched from another server."""

import base64
import binascii
import hashlib
import io
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import numpy as np
from PIL import Image

from lwm_trainer.serving.errors import ApiError
from lwm_trainer.serving.recently_used import RecentlyUsed
from lwm_trainer.vision.decode_codes import write_clip
from lwm_trainer.vision.media.errors import MediaError
from lwm_trainer.vision.media.read_media import read_media
from lwm_trainer.vision.media.sampling import Sampling
from lwm_trainer.vision.tokenizer import VisionTokenizer

Codes = list[list[int]]
"""The codes of each frame."""
ENCODED = 64
"""Pictures and clips whose codes are kept: a conversation sends its pictures again with each turn."""


@dataclass(frozen=True)
class VisionMedia:
    """A vision tokenizer and its limits. Every method may be called from several threads."""

    tokenizer: VisionTokenizer
    sampling: Sampling
    """Which frames of a clip are taken, at most."""
    folder: Path | None
    """Clips below it may be named by their paths; None: none may."""
    frames_per_second: int
    """That of clips which are drawn."""
    _encoded: RecentlyUsed[tuple[str, Sampling], Codes] = field(default_factory=lambda: RecentlyUsed(ENCODED))

    def picture(self, url: str, param: str) -> Codes:
        """The codes of a picture in a data URL; of an animated one, those of its first frame. Raises ApiError, which names `param`."""
        content = _data(url, param)
        if content is None:
            raise _foreign(param, "send the picture itself as a data URL, data:image/png;base64,…")
        return self.uploaded(content, Sampling(max_frames=1), 1, param)

    def uploaded(self, content: bytes, sampling: Sampling, most: int, param: str) -> Codes:
        """The codes of a file's content. Raises ApiError, which names `param`; the other arguments are those of `clip`."""
        return self._codes(io.BytesIO(content), hashlib.sha256(content).hexdigest(), self._within(sampling, param), most, param)

    def clip(self, url: str, sampling: Sampling, most: int, param: str) -> Codes:
        """The codes of a clip in a data URL, or in a file below the folder. Raises ApiError, which names `param`.

        `sampling` is the request's, within the server's; `most`: frames for which the context has room.
        """
        content = _data(url, param)
        if content is not None:
            return self.uploaded(content, sampling, most, param)
        sampling = self._within(sampling, param)
        path = self._path(url, param)
        with path.open("rb") as file:
            about = path.stat()
            return self._codes(file, f"{path}:{about.st_mtime_ns}:{about.st_size}", sampling, most, param)

    def png(self, codes: list[int]) -> bytes:
        """A frame as a PNG file."""
        (pixels,) = self.tokenizer.decode(np.array([codes]))
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "png")
        return file.getvalue()

    def mp4(self, codes: Codes) -> bytes:
        """Frames, one or more, as an MP4 file."""
        file, size = io.BytesIO(), self.tokenizer.batch
        batches = (codes[begin : begin + size] for begin in range(0, len(codes), size))
        write_clip(file, (frame for batch in batches for frame in self.tokenizer.decode(np.array(batch))), self.frames_per_second)
        return file.getvalue()

    def _within(self, asked_for: Sampling, param: str) -> Sampling:
        """The sampling that a request asks for. Raises ApiError for more than the server's."""
        rate, most = self.sampling.frames_per_second, self.sampling.max_frames
        if most is not None and asked_for.max_frames is not None and asked_for.max_frames > most:
            raise ApiError(400, f"{param}.max_frames: give {most} or less", code="invalid_value", param=f"{param}.max_frames")
        return Sampling(asked_for.frames_per_second or rate, asked_for.max_frames or most)

    def _codes(self, file: BinaryIO, digest: str, sampling: Sampling, most: int, param: str) -> Codes:
        if (kept := self._encoded.get((digest, sampling))) is not None and len(kept) <= most:
            return kept
        try:
            frames = read_media(file, param, self.tokenizer.config.image_size, sampling)
            codes = [frame.tolist() for frame in self.tokenizer.encode_stream(islice(frames, most + 1))]
        except MediaError as error:
            raise ApiError(400, str(error), code="invalid_media", param=param) from error
        if len(codes) > most:
            message = f"{param}: the context has room for {most} frames, and the clip has more: give max_frames or fps"
            raise ApiError(400, message, code="context_length_exceeded", param=param)
        self._encoded.put((digest, sampling), codes)
        return codes

    def _path(self, url: str, param: str) -> Path:
        """The file that a path names. Raises ApiError for other addresses, and for files that are not below the folder."""
        name = unquote(url.removeprefix("file://")) if url.startswith("file:///") else url
        fix = "send the clip itself as a data URL, data:video/mp4;base64,…"
        if "://" in name or self.folder is None:
            raise _foreign(param, fix if self.folder is None else f"{fix}, or its path below the server's --media-folder")
        folder = self.folder.resolve()
        try:
            path = (folder / name).resolve()
            if path.is_relative_to(folder) and path.is_file():
                return path
        except (OSError, ValueError):
            pass  # a name that no file can have
        raise ApiError(400, f"{param}: no such file is below the server's --media-folder", code="invalid_media", param=param)


def _data(url: str, param: str) -> bytes | None:
    """The content of a data URL; None for another one. Raises ApiError for one that is not base64."""
    if not url.startswith("data:"):
        return None
    header, comma, content = url.partition(",")
    try:
        if not comma or not header.endswith(";base64"):
            raise ValueError
        return base64.b64decode(content, validate=True)
    except (ValueError, binascii.Error) as error:
        message = f"{param}: is no data URL in base64: write data:TYPE;base64,…"
        raise ApiError(400, message, code="invalid_media", param=param) from error


def _foreign(param: str, fix: str) -> ApiError:
    return ApiError(400, f"{param}: this server fetches nothing: {fix}", code="unsupported_url", param=param)
