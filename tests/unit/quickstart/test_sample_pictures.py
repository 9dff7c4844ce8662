"""Data of the example with pictures: real, the same each time, and accepted by the encoder."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lwm_trainer.config import Dataset
from lwm_trainer.data.encoding.encoder import encoder
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records.record import BadRecordError, Record
from quickstart.sample_pictures import (
    CLIPS,
    CODES,
    FRAMES,
    PATCH,
    PICTURES,
    SIDE,
    TOKENS,
    clips,
    codebook,
    patches,
    pictures,
    pixels,
    quantise,
)
from quickstart.sample_texts import verses
from quickstart.storage import recipe_objects, write
from quickstart.tokenizer.train import PATH, PIECES


@pytest.fixture(scope="module")
def objects() -> dict[str, bytes]:
    return recipe_objects()


def records(objects: dict[str, bytes], name: str) -> Iterator[Record]:
    for number, line in enumerate(objects[name].splitlines(), start=1):
        yield Record(name, number, number, json.loads(line))


def encode(objects: dict[str, bytes], name: str, **changes: Any) -> list[Example]:
    dataset = Dataset.model_validate({"name": "a", "uri": "/data", **changes})
    encoded = encoder(dataset, Tokenizer.load(str(PATH), PIECES), CODES + 2, 0)(list(records(objects, name)))
    assert not [answer for answer in encoded if isinstance(answer, BadRecordError)]
    return [answer[0] for answer in encoded if isinstance(answer, list)]


def test_a_picture_is_known_again_from_its_codes() -> None:
    (cat,) = (frames for caption, frames in pictures() if caption == "a cat")
    frames = np.concatenate([cat, *(frames for caption, frames in clips() if caption.startswith("people"))])
    values = patches(frames)
    assert np.array_equal(pixels(values), frames)
    centres = codebook(values)
    codes = quantise(values, centres)
    assert len(np.unique(codes)) > CODES / 2
    error = np.mean((pixels(centres[codes]).astype(float) - frames) ** 2)
    flat = np.mean((frames.reshape(len(frames), -1, 3).mean(axis=1)[:, None, None, :] - frames) ** 2)
    assert error < flat / 8
    at_random = np.random.default_rng(0).permutation(CODES)
    assert np.mean((pixels(centres[at_random[codes]]).astype(float) - frames) ** 2) > flat


def test_patches_lie_row_by_row() -> None:
    frame = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    frame[0, :PATCH, PATCH : 2 * PATCH] = 9
    assert np.flatnonzero(patches(frame).sum(axis=1)).tolist() == [1]


def test_both_orders_of_pictures_and_captions_become_examples(objects: dict[str, bytes]) -> None:
    vision = {"kind": "vision", "fields_from_example": "fields", "frames": {"tokens_per_frame": TOKENS, "codebook_size": CODES}}
    examples = encode(objects, "vision/pictures.jsonl", **vision)
    assert len(examples) == 10 * len(PICTURES)
    assert all(example.vision_mask is not None and example.vision_mask.sum() == TOKENS + 1 for example in examples)
    captioned = [example.loss_mask is not None and bool(example.loss_mask[example.vision_mask].any()) for example in examples]
    assert 50 < sum(captioned) < 110  # 4 standard deviations from half of 160
    moving = encode(objects, "vision/clips.jsonl", **vision)
    assert len(moving) >= 2 * len(CLIPS)
    assert all(example.vision_mask is not None and example.vision_mask.sum() == FRAMES * (TOKENS + 1) for example in moving)


def test_chats_ask_for_the_next_verse_of_each_chapter(objects: dict[str, bytes]) -> None:
    texts = verses()
    assert (texts[1001002][:30], len(texts)) == ("And the earth was without form", 31_102)
    first, *_ = records(objects, "chat/verses.jsonl")
    assert [message["content"] for message in first.fields["messages"][1::2]] == [texts[1001000 + verse] for verse in (2, 3, 4, 5)]
    examples = encode(objects, "chat/verses.jsonl", kind="chat")
    assert len(examples) == 1_189
    assert all(example.loss_mask is not None and 0 < example.loss_mask.sum() < len(example.tokens) for example in examples)


def test_the_texts_are_two(objects: dict[str, bytes]) -> None:
    sizes = {folder: sum(len(content) for name, content in objects.items() if name.startswith(folder)) for folder in ("books/", "manual/")}
    assert sizes["books/"] > 3_800_000, "all but the held-out books"
    assert sizes["manual/"] > 300_000
    assert "Python" in objects["manual/import.txt"].decode()


def test_it_is_written_the_same_each_time(objects: dict[str, bytes], tmp_path: Path) -> None:
    write(recipe_objects(), tmp_path)
    assert {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == objects
