"""`python -m quickstart.demo`: train the demo's model on this machine, show what it does, and serve it with a page to talk with it."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from lwm_cli.__main__ import main as lwm
from lwm_cli.errors import FileError
from lwm_cli.generation_media import GenerationMedia
from lwm_cli.generation_options import find_checkpoint
from lwm_cli.local.folder import TrainingFolder
from lwm_cli.local.manifest import Options, load_local
from lwm_cli.train import train
from lwm_trainer.sampling.load import LoadOptions, load_generator
from quickstart.demo import showcase
from quickstart.demo.data import DRAW, FRAMES_PER_SECOND, QUESTION, demo_objects
from quickstart.options import EXAMPLE
from quickstart.storage import VISION_TOKENIZER, write

FOLDER = Path(__file__).resolve().parents[2] / "build" / "demo"
LIMITS = """\
What it cannot do: it knows sixteen pictures and three clips by heart and has never seen another one. A picture of your own gets the
caption of one of these. Its English is that of a few books of the Bible, and its chats make no sense."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m quickstart.demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where everything is written (default: build/demo)")
    parser.add_argument("--no-serve", action="store_true", help="end after the pictures")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    data, run, out = folder / "data", folder / "run", folder / "made"
    tokenizer = data / "vision" / VISION_TOKENIZER.name
    write(demo_objects(), data)
    try:
        code = train_here(data, run)
    except FileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if code == 0:
        code = showcase.run_directions(run, data, tokenizer, out)
    if code != 0:
        return code
    show_pictures(data, run, tokenizer, out)
    print(LIMITS)
    if options.no_serve:
        return 0
    print(
        f"\nOpen http://127.0.0.1:{options.port} and say:  {DRAW.format(caption='a cat')}   or attach {data}/vision/files/coffee.png and "
        f"say:  {QUESTION}\nCtrl-C ends it.\n",
        flush=True,
    )
    media = ("--vision-tokenizer", str(tokenizer), "--clip-rate", str(FRAMES_PER_SECOND))
    return lwm(["serve", str(run), *media, "--port", str(options.port), "--rows", "2", "--model-name", "demo"])


def train_here(data: Path, run: Path) -> int:
    """Run examples/demo.yaml in local mode, or go on with it; returns the exit code. Raises FileError."""
    sources = [f"books={data / 'books'}", f"pictures={data / 'vision'}", f"chats={data / 'chat'}"]
    settings = Options(sources=sources, tokenizer=str(data / "tokenizer" / "tokenizer.json"))
    return train(load_local(EXAMPLE.parent / "demo.yaml", settings, run), TrainingFolder(run), Console())


def show_pictures(data: Path, run: Path, tokenizer: Path, out: Path) -> None:
    """Write the sheet of pictures and the GIF of the clip that goes on."""
    media = GenerationMedia.load(str(tokenizer), FRAMES_PER_SECOND, None)
    checkpoint = find_checkpoint(str(run), None)
    load = LoadOptions(tokenizer=checkpoint.tokenizer, frames=media.frames, reserve=False)
    right = showcase.picture_sheet(load_generator(checkpoint.weights, load), media, data, out / "pictures.png")
    showcase.clip_sheet(media, data / "vision" / "files" / showcase.CLIP[0], next((out / "7").glob("*.mp4")), out / "clip.gif")
    print(f"\n{out}/pictures.png: true, as the tokenizer shows it, and drawn for its caption: {right:.0%} of the codes are right")
    print(f"{out}/clip.gif: the true clip, and one that goes on from its first {showcase.GIVEN} frames\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
