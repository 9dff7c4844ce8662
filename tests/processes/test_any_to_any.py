"""Any to any: one trained model continues text, pictures and clips by each other, in eight directions, and with exactly what it was taught.

A tiny model is trained on two processes until it knows a few captioned pictures and clips by heart. Then it is loaded onto other devices.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lwm_trainer import config
from lwm_trainer.sampling.answer import Answer
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.load import LoadOptions, load_generator
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings
from lwm_trainer.sampling.weights import open_weights
from processes.gang import Gang, a_run

FRAME, CODES, CLIP = 8, 24, 4
"""Codes of a frame, codes of the codebook, and frames of a clip."""
TEXT = "the river runs over the old stones and under the bridge to the sea"
PICTURES = ("a red fox", "a blue house", "an old bridge")
CLIPS = ("a running dog", "the rising sun")
ORDERS = ["[caption],vision", "[vision],caption", "caption,vision"]
"""A picture after its caption, a caption after its picture, and both by the model itself."""


Codes = list[list[int]]
"""The codes of each frame."""


def random_frames() -> dict[str, Codes]:
    """The frames of each picture and clip, by caption."""
    random = np.random.default_rng(3)
    counts = dict.fromkeys(PICTURES, 1) | dict.fromkeys(CLIPS, CLIP)
    return {caption: random.integers(CODES, size=(count, FRAME)).tolist() for caption, count in counts.items()}


FRAMES = random_frames()


@pytest.fixture(scope="module")
def generator(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    place = tmp_path_factory.mktemp("any-to-any")
    records = [{"caption": caption, "vision": np.ravel(frames).tolist(), "fields": ORDERS} for caption, frames in FRAMES.items()]
    (place / "pictures.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (place / "river.txt").write_text(TEXT)
    frames = {"tokensPerFrame": FRAME, "codebookSize": CODES, "maxFrames": CLIP, "unconditional": 0.0}
    pictures: dict[str, Any] = {"name": "pictures", "kind": "vision", "uri": str(place / "pictures.jsonl"), "frames": frames}
    run = a_run(
        folder,
        datasets=[
            {"name": "texts", "kind": "text", "uri": str(place / "river.txt"), "weight": 0.1},
            pictures | {"fieldsFromExample": "fields"},
        ],
        contextLength=128,
        batchTokens=1024,
        steps=200,
        optimizer={"peakLearningRate": 0.01, "warmupSteps": 10, "finalFraction": 0.02},
        mesh={"fsdp": 2},
        checkpoint={"root": str(place / "runs"), "saveIntervalSteps": 1000},
    )
    run["model"] = run["model"] | {"vision": {"vocabSize": CODES + 2}}
    run["gang"] = run["gang"] | {"hosts": 1}
    with Gang(run, place / "gang") as gang:
        final = gang.final()
    options = LoadOptions(tokenizer=run["tokenizer"], frames=config.Frames(tokens_per_frame=FRAME, codebook_size=CODES), chunk=16)
    return load_generator(open_weights(final.checkpoint), options)


def answer(generator: Generator, text: str = "", shown: Codes | None = None, opened: Codes | None = None) -> Answer:
    """The most probable answer after a picture or clip that is shown, and a text, and in a span that these frames open."""
    most_probable = Filters(temperature=0.0)
    vocabulary = generator.vocabulary
    prompt = vocabulary.prompt(text, [] if shown is None else [shown], opened)
    settings = Settings(
        max_tokens=64, text=most_probable, vision=most_probable, stop_ids=(vocabulary.end_id,), only_vision=opened is not None
    )
    made = Answer(vocabulary.grammar.frame)
    for pieces in generator.generate([Request(prompt, settings)]):
        for piece in pieces:
            made.add(piece)
    assert made.reason == "stop", made.as_json()
    return made


def test_a_text_goes_on(generator: Generator) -> None:
    begin = TEXT[: TEXT.index(" over")]
    assert answer(generator, begin).text == TEXT.removeprefix(begin)


@pytest.mark.parametrize("caption", [*PICTURES, *CLIPS])
def test_a_text_becomes_its_picture_or_its_clip(generator: Generator, caption: str) -> None:
    assert answer(generator, caption, opened=[]).frames == FRAMES[caption], "the model itself ends it after so many frames"


@pytest.mark.parametrize("caption", [*PICTURES, *CLIPS])
def test_a_picture_or_a_clip_gets_its_text(generator: Generator, caption: str) -> None:
    told_of = answer(generator, shown=FRAMES[caption])
    assert (told_of.text, told_of.frames) == (caption, [])


@pytest.mark.parametrize("given", [1, 2])
@pytest.mark.parametrize("caption", CLIPS)
def test_a_picture_and_a_clip_go_on_as_a_clip(generator: Generator, caption: str, given: int) -> None:
    assert answer(generator, caption, opened=FRAMES[caption][:given]).frames == FRAMES[caption][given:]


@pytest.mark.parametrize("caption", [PICTURES[0], CLIPS[1]])
def test_one_answer_is_text_and_then_what_it_speaks_of(generator: Generator, caption: str) -> None:
    begin = caption.rpartition(" ")[0]
    both = answer(generator, begin)
    assert (both.text.strip(), both.frames) == (caption.removeprefix(begin).strip(), FRAMES[caption])
