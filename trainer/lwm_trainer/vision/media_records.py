"""Records that name or hold pictures or clips: their codes take the place of a field of ready codes, and the rest is encoded as ever."""

import hashlib
from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import Dataset, Media
from lwm_trainer.data.documents.store_schema import to_json
from lwm_trainer.data.encoding.encoder import Encoder
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.errors import DataError
from lwm_trainer.data.records.record import BadRecordError, Record
from lwm_trainer.data.records.source_files import MEDIA_SUFFIXES
from lwm_trainer.storage.files import list_files
from lwm_trainer.storage.listing import Listing
from lwm_trainer.vision.encode_media import encode_media
from lwm_trainer.vision.media.sampling import Sampling
from lwm_trainer.vision.record_media import record_frames
from lwm_trainer.vision.tokenizer import VisionTokenizer
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer

CODES = "vision"
"""The field under which a field line has the codes."""


class MediaRecords:
    """Encodes the pictures and clips of a data set's records."""

    def __init__(self, dataset: Dataset, media: Media, listing: Listing, *, on_accelerator: bool = False) -> None:
        """Read the tokenizer. `on_accelerator`: JAX is set up for this host's devices, and all of them encode.

        Raises DataError where its codes are not those of `dataset.frames`, and what `read_tokenizer` raises.
        """
        if not jax.config.jax_platforms:  # type: ignore[attr-defined]  # an accelerator of this host may be another's
            jax.config.update("jax_platforms", "cpu")
        uri = media.tokenizer if "://" in media.tokenizer else f"{listing.root}/{media.tokenizer}"
        self._tokenizer = VisionTokenizer(read_tokenizer(uri), devices=jax.local_devices() if on_accelerator else None)
        entries = [entry for entry in list_files(dataset.uri).entries if entry.name.lower().endswith(MEDIA_SUFFIXES)]
        files = to_json({"files": [[entry.name, entry.size, entry.version] for entry in entries]})
        self._files = hashlib.sha256(files).hexdigest()
        self._media, self._sampling = media, Sampling(media.frames_per_second, dataset.frames.max_frames)
        sizes, frames = self._tokenizer.config, dataset.frames
        for field, ours, theirs in (
            ("tokensPerFrame", frames.tokens_per_frame, sizes.codes_per_frame),
            ("codebookSize", frames.codebook_size, sizes.codebook_size),
        ):
            if ours != theirs:
                raise DataError(
                    f"datasets[{dataset.name}].frames.{field}: it is {ours}, but the tokenizer {uri} has {theirs}: set it to {theirs}"
                )

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the codes, as JSON: settings, the files below the source, the tokenizer, what decodes and what computes."""
        return {
            "settings": self._media.model_dump(mode="json", by_alias=True, exclude={"tokenizer"}),
            "files": self._files,
            "tokenizer": self._tokenizer.fingerprint,
            "decoders": {package: version(package) for package in ("av", "pillow")},
            "platform": jax.default_backend(),
        }

    def encoder(self, encode: Encoder, encoded: Callable[[int], None]) -> Encoder:
        """An encoder that gives `encode` each record with its codes; a record whose file cannot be used makes no example.

        `encoded` is called with the number of frames of each batch, after it.
        """

        def encode_with_media(records: Sequence[Record]) -> list[list[Example] | BadRecordError]:
            codes = list(encode_media(self._tokenizer, (self._frames(record) for record in records), encoded))
            examples = iter(
                encode(
                    [
                        replace(record, fields=ChainMap({CODES: frames.ravel()}, record.fields))  # type: ignore[arg-type]  # only read
                        for record, frames in zip(records, codes, strict=True)
                        if not isinstance(frames, BadRecordError)
                    ]
                )
            )
            return [frames if isinstance(frames, BadRecordError) else next(examples) for frames in codes]

        return encode_with_media

    def _frames(self, record: Record) -> Iterator[NDArray[np.uint8]]:
        field = self._media.field
        if CODES in record.fields:
            raise BadRecordError(f"field {CODES!r} is there, and the codes of {field!r} would take its place: remove one of them")
        yield from record_frames(record, field, self._tokenizer.config.image_size, self._sampling)
