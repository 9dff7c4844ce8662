"""What the demo's model does, as commands of `lwm sample` with their answers, and as pictures."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lwm_cli.__main__ import main as lwm
from lwm_cli.generation_media import GenerationMedia
from lwm_trainer.sampling.answer import Answer
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings
from lwm_trainer.vision.media.read_media import read_media
from quickstart.demo.data import DRAW, FRAMES, FRAMES_PER_SECOND, PREFIX
from quickstart.sample_pictures import PICTURES

Pixels = NDArray[np.uint8]
SCALE, LABEL = 2, 14
"""Pixels of a sheet for each of a frame's, and of the height of a caption."""
FRAME_MILLISECONDS = 1000 // FRAMES_PER_SECOND
GIVEN = 2
"""Frames of the clip that is continued."""
CLIP = "bikes-1.mp4", "people on bicycles"


class Direction(NamedTuple):
    """A command of `lwm sample` that goes from one kind to another."""

    title: str
    options: tuple[str, ...]


def directions(data: Path, shown: Path) -> list[Direction]:
    """Eight directions. `shown` holds the first frame of the clip and its first frames, as files."""
    files = data / "vision" / "files"
    clip, caption = CLIP
    exact = ("--temperature", "0", "--vision-temperature", "0")
    return [
        Direction("text to text", ("--prompt", "And the LORD", "--max-tokens", "40", "--temperature", "0.7")),
        Direction("text to picture", ("--prompt", "a cup of coffee", "--frames", "1", *exact)),
        Direction("text to clip", ("--prompt", caption, "--frames", str(FRAMES), *exact)),
        Direction("picture to text", ("--show", str(files / "chelsea.png"), *exact)),
        Direction("clip to text", ("--show", str(files / clip), *exact)),
        Direction(
            "picture goes on as a clip", ("--prompt", caption, "--extend", str(shown / "1.png"), "--frames", str(FRAMES - 1), *exact)
        ),
        Direction("clip goes on", ("--prompt", caption, "--extend", str(shown / f"{GIVEN}.webp"), "--frames", str(FRAMES - GIVEN), *exact)),
        Direction("text and a picture in one answer", ("--prompt", f"{PREFIX} {DRAW.format(caption='the moon')} ASSISTANT:", *exact)),
    ]


def run_directions(run: Path, data: Path, tokenizer: Path, out: Path) -> int:
    """Print each command, and its answer below it. Returns the first exit code that is not 0."""
    shown = write_begin(data / "vision" / "files" / CLIP[0], tokenizer, out / "shown")
    for number, direction in enumerate(directions(data, shown), 1):
        media = ("--vision-tokenizer", str(tokenizer), "--clip-rate", str(FRAMES_PER_SECOND), "--out", str(out / f"{number}"))
        arguments = [str(run), *direction.options, *media]
        print(f"\n{number}. {direction.title}\n$ lwm sample {shlex.join(arguments)}", flush=True)
        if (code := lwm(["sample", *arguments])) != 0:
            return code
    return 0


def write_begin(clip: Path, tokenizer: Path, folder: Path) -> Path:
    """Write the clip's first frame, and its first frames as a clip without loss, into `folder`, which is returned."""
    media = GenerationMedia.load(str(tokenizer), FRAMES_PER_SECOND, None)
    folder.mkdir(parents=True, exist_ok=True)
    first, *others = map(Image.fromarray, read_frames(media, clip)[:GIVEN])
    first.save(folder / "1.png")
    first.save(folder / f"{GIVEN}.webp", save_all=True, append_images=others, duration=FRAME_MILLISECONDS, lossless=True)
    return folder


def draw(generator: Generator, captions: Sequence[str]) -> list[list[list[int]]]:
    """The codes of the most probable frames after each caption."""
    vocabulary = generator.vocabulary
    tokens = vocabulary.grammar.frame_tokens + len(vocabulary.grammar.closing)
    settings = Settings(max_tokens=tokens, vision=Filters(temperature=0.0), max_frames=1, only_vision=True)
    requests = [Request(vocabulary.prompt(caption, opened=[]), settings) for caption in captions]
    answers = [Answer(vocabulary.grammar.frame) for _ in requests]
    for pieces in generator.generate(requests):
        for piece in pieces:
            answers[piece.request].add(piece)
    return [answer.frames for answer in answers]


def picture_sheet(generator: Generator, media: GenerationMedia, data: Path, file: Path) -> float:
    """Draw each picture for its caption, below the true one and what the tokenizer keeps of it. Returns the share of right codes."""
    files = data / "vision" / "files"
    true_codes = [media.encode(str(files / name)) for name in PICTURES]
    drawn_codes = draw(generator, list(PICTURES.values()))
    rows = [
        [read_frames(media, files / name)[0] for name in PICTURES],
        *([media.tokenizer.decode(np.array(codes))[0] for codes in each] for each in (true_codes, drawn_codes)),
    ]
    save_sheet(rows, list(PICTURES.values()), file)
    return float(np.mean(np.array(true_codes) == np.array(drawn_codes)))


def read_frames(media: GenerationMedia, file: Path) -> list[Pixels]:
    """The frames of a picture or a short clip, as the tokenizer gets them."""
    with file.open("rb") as opened:
        return list(read_media(opened, file.name, media.tokenizer.config.image_size, media.sampling))


def save_sheet(rows: Sequence[Sequence[Pixels]], captions: Sequence[str], file: Path) -> None:
    """Write rows of pictures [S, S, 3] of one size, with captions below the columns; eight columns, then the next eight below."""
    side, across = SCALE * len(rows[0][0]), 8
    bands = [range(begin, min(begin + across, len(captions))) for begin in range(0, len(captions), across)]
    sheet = Image.new("RGB", (across * side, len(bands) * (len(rows) * side + LABEL)), "white")
    pen = ImageDraw.Draw(sheet)
    for band, columns in enumerate(bands):
        top = band * (len(rows) * side + LABEL)
        for place, column in enumerate(columns):
            for number, row in enumerate(rows):
                big = Image.fromarray(row[column]).resize((side, side), Image.Resampling.NEAREST)
                sheet.paste(big, (place * side, top + number * side))
            pen.text((place * side + 2, top + len(rows) * side + 1), captions[column], fill="black")
    sheet.save(file)


def clip_sheet(media: GenerationMedia, clip: Path, continued: Path, file: Path) -> None:
    """Write the true clip beside the continued one as a GIF."""
    frames = []
    for pair in zip(read_frames(media, clip), read_frames(media, continued), strict=False):
        both = Image.fromarray(np.concatenate(pair, axis=1))
        frames.append(both.resize((2 * SCALE * both.width, 2 * SCALE * both.height), Image.Resampling.NEAREST))
    frames[0].save(file, save_all=True, append_images=frames[1:], duration=FRAME_MILLISECONDS, loop=0)
