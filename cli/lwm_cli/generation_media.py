"""Pictures and clips of the commands that generate: files become codes of a prompt, and codes of an answer become files."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image

from lwm_trainer import config
from lwm_trainer.sampling.vocabulary import Vocabulary
from lwm_trainer.serving.vision_media import VisionMedia
from lwm_trainer.storage.absolute import absolute_uri
from lwm_trainer.storage.files import list_files, open_file
from lwm_trainer.vision.decode_codes import write_clip
from lwm_trainer.vision.media.read_media import read_media
from lwm_trainer.vision.media.sampling import Sampling
from lwm_trainer.vision.tokenizer import VisionTokenizer
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer

SHOWN_RATE = 4
"""Frames of a second of written clips, unless the options say otherwise."""

Codes = list[list[int]]
"""The codes of each frame."""


@dataclass(frozen=True)
class GenerationMedia:
    """A vision tokenizer, and how the frames of clips are taken and shown."""

    tokenizer: VisionTokenizer
    sampling: Sampling
    frames_per_second: int
    """That of written clips."""

    @classmethod
    def load(cls, tokenizer: str, frames_per_second: float | None, max_frames: int | None) -> "GenerationMedia":
        """Read a tokenizer's file. Raises what `read_tokenizer` raises.

        Args:
            frames_per_second: frames of a second that are taken of a clip, and of which written clips are made; None: all, and SHOWN_RATE.
            max_frames: of more frames, this many are taken, evenly spaced.
        """
        written = SHOWN_RATE if frames_per_second is None else max(1, round(frames_per_second))
        return cls(VisionTokenizer(read_tokenizer(absolute_uri(tokenizer))), Sampling(frames_per_second, max_frames), written)

    @property
    def frames(self) -> config.Frames:
        """The layout of this tokenizer's frames."""
        sizes = self.tokenizer.config
        return config.Frames(tokens_per_frame=sizes.codes_per_frame, codebook_size=sizes.codebook_size)

    def require_same_frames(self, vocabulary: Vocabulary) -> None:
        """Raises UsageError for a model without vision, and for one that was trained on frames of another layout."""
        grammar, frames = vocabulary.grammar, self.frames
        if not grammar.opening:
            raise click.UsageError("--vision-tokenizer: the model has no vision vocabulary: leave it out, or take another CHECKPOINT")
        if (grammar.frame, grammar.codes) != (frames.tokens_per_frame, frames.codebook_size):
            raise click.UsageError(
                f"--vision-tokenizer: makes {frames.tokens_per_frame} codes a frame of {frames.codebook_size}, but the model's frames have "
                f"{grammar.frame} codes of {grammar.codes}: give the tokenizer of the model's training"
            )

    def for_requests(self, folder: Path | None) -> VisionMedia:
        """The same for the requests of a server, which may name clips below `folder`."""
        return VisionMedia(self.tokenizer, self.sampling, folder, self.frames_per_second)

    def encode(self, uri: str) -> Codes:
        """The codes of a picture or a clip. Raises the errors of storage, and MediaError."""
        uri = absolute_uri(uri)
        listing = list_files(uri)
        if len(listing.entries) != 1 or not uri.endswith(listing.entries[0].name):
            raise click.UsageError(f"{uri}: name one picture or clip")
        (entry,) = listing.entries
        with closing(open_file(listing, entry)) as file:
            frames = read_media(file, uri, self.tokenizer.config.image_size, self.sampling)
            return [codes.tolist() for codes in self.tokenizer.encode_stream(frames)]

    def write(self, codes: Sequence[Codes], folder: Path) -> list[Path]:
        """Write the frames of answer n as `folder`/n.png, or as n.mp4 where it has several; returns the files."""
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for number, frames in enumerate(codes, 1):
            if not frames:
                continue
            pixels = self.tokenizer.decode(np.array(frames))
            file = folder / f"{number}.{'png' if len(pixels) == 1 else 'mp4'}"
            if len(pixels) == 1:
                Image.fromarray(pixels[0]).save(file)
            else:
                write_clip(file, pixels, self.frames_per_second)
            files.append(file)
        return files
