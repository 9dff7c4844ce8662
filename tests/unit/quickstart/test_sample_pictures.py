"""Data of the example with pictures: real, the same each time, and prepared by the example's own settings."""

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lwm_cli.__main__ import main
from lwm_trainer.config import Dataset
from lwm_trainer.data.documents.store import TokenStore
from lwm_trainer.data.encoding.encoder import encoder
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records.record import BadRecordError, Record
from lwm_trainer.vision.media.read_media import read_media
from lwm_trainer.vision.media.sampling import Sampling
from lwm_trainer.vision.report import report
from lwm_trainer.vision.tokenizer import VisionTokenizer
from lwm_trainer.vision.training.crops import load_pictures
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer
from quickstart.options import EXAMPLE as SMALL_EXAMPLE
from quickstart.sample_pictures import PART_FRAMES, PICTURES
from quickstart.sample_texts import verses
from quickstart.storage import VISION_TOKENIZER, recipe_objects, write
from quickstart.tokenizer.train import PATH, PIECES
from quickstart.vision_tokenizer.train import HELD_OUT, media

EXAMPLE = SMALL_EXAMPLE.parent / "recipe-small.yaml"
GUIDE = EXAMPLE.parents[1] / "docs" / "guides" / "vision.md"
CODES = 1024


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


def test_each_record_names_a_file_of_its_own_with_a_caption_of_its_own(objects: dict[str, bytes]) -> None:
    for name, frames, count in (("pictures", 1, 10 * len(PICTURES)), ("clips", PART_FRAMES, 14)):
        lines = [record.fields for record in records(objects, f"vision/{name}.jsonl")]
        assert len({line["caption"] for line in lines}) == len({line["media"] for line in lines}) == count
        for line in lines[::9]:
            content = objects[f"vision/{line['media']}"]
            assert len(list(read_media(io.BytesIO(content), line["media"], 64, Sampling()))) == frames
    assert {name for name in objects if name.startswith("vision/")} == {
        "vision/pictures.jsonl",
        "vision/clips.jsonl",
        "vision/tokenizer.safetensors",
        *(f"vision/{record.fields['media']}" for name in ("pictures", "clips") for record in records(objects, f"vision/{name}.jsonl")),
    }


def test_the_example_prepares_pictures_and_clips_to_both_orders(objects: dict[str, bytes], tmp_path: Path) -> None:
    write({name: content for name, content in objects.items() if name.startswith("vision/")}, tmp_path)
    options = ["--dataset", "pictures", "--source", f"{tmp_path}/vision", "--tokenizer", str(PATH), "--workers", "1"]
    assert main(["data", "prepare", str(EXAMPLE), *options, "--out", f"{tmp_path}/stores"]) == 0
    (prepared,) = (tmp_path / "stores").iterdir()
    store = TokenStore.open(str(prepared), "")
    assert (store.prepared.documents, store.prepared.skipped) == (10 * len(PICTURES) + 14, 0)
    frames: Counter[int] = Counter()
    shown = 0
    for number in range(len(store)):
        span = store.read(int(store.offsets[number]), int(store.offsets[number + 1]))
        assert span.vision_mask is not None
        frames[int(np.count_nonzero(span.tokens[span.vision_mask] >= CODES))] += 1
        shown += bool(span.loss_mask[span.vision_mask].any())
    assert set(frames) == {1, 4}
    assert 0.3 * len(store) < shown < 0.8 * len(store), "pictures count in about half of them, and in those without a caption"


def test_the_committed_vision_tokenizer_shows_what_the_guide_says() -> None:
    assert VISION_TOKENIZER.stat().st_size <= 2_000_000
    tokenizer = VisionTokenizer(read_tokenizer(str(VISION_TOKENIZER)))
    assert (tokenizer.config.codes_per_frame, tokenizer.config.codebook_size) == (64, CODES)
    figures, _ = report(tokenizer, load_pictures(media()[1], tokenizer.config.image_size))
    stated = re.search(r"gave ([\d.]+) dB PSNR and SSIM ([\d.]+)", " ".join(GUIDE.read_text().split()))
    assert stated is not None
    assert figures.psnr == pytest.approx(float(stated[1]), abs=0.1)
    assert figures.ssim == pytest.approx(float(stated[2]), abs=0.02)


def test_nothing_that_is_held_out_is_trained_on() -> None:
    trained, held_out = media()
    assert {Path(file).name for file in held_out} == set(HELD_OUT)
    assert not set(trained) & set(held_out)
    assert all(Path(file).is_file() for file in trained + held_out)


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
