"""The demo's records: real files, and the very tokens that a chat with the model asks with."""

import json
from typing import Any

import pytest

from lwm_trainer.config import Dataset, Frames, Model
from lwm_trainer.data.encoding.encoder import encoder
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records.record import Record
from lwm_trainer.sampling.conversation import lwm_prompt
from lwm_trainer.sampling.vocabulary import Vocabulary, make_vocabulary
from quickstart.demo.data import DRAW, LINES, QUESTION, demo_objects
from quickstart.options import EXAMPLE
from quickstart.sample_pictures import CLIPS, PICTURES
from quickstart.tokenizer.train import PATH
from quickstart.training import read

SPEC = read(EXAMPLE.parent / "demo.yaml")["spec"]
FRAMES = Frames(tokens_per_frame=64, codebook_size=1024)
CODES = list(range(64))


@pytest.fixture(scope="module")
def objects() -> dict[str, bytes]:
    return demo_objects()


@pytest.fixture(scope="module")
def records(objects: dict[str, bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in objects["vision/records.jsonl"].splitlines()]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    tokenizer = Tokenizer.load(str(PATH), 2048)
    return make_vocabulary(Model.model_validate(SPEC["model"]), tokenizer, FRAMES)


def test_every_picture_and_clip_has_a_record_with_its_file(objects: dict[str, bytes], records: list[dict[str, Any]]) -> None:
    assert sorted(record["caption"] for record in records) == sorted([*PICTURES.values(), *CLIPS.values()])
    assert all(objects[f"vision/{record['media']}"] for record in records)
    assert {name.partition("/")[0] for name in objects} == {"books", "chat", "tokenizer", "vision"}


@pytest.mark.parametrize("line", LINES)
def test_a_record_has_the_tokens_that_a_chat_and_lwm_sample_ask_with(
    records: list[dict[str, Any]], vocabulary: Vocabulary, line: str
) -> None:
    record = records[0]
    draw = DRAW.format(caption=record["caption"])
    prompt = {
        LINES[0]: vocabulary.prompt(record["caption"]),
        LINES[1]: vocabulary.prompt("", [[CODES]]),
        LINES[2]: lwm_prompt(vocabulary, [{"role": "user", "content": draw}]),
        LINES[3]: lwm_prompt(vocabulary, [{"role": "user", "content": [[CODES], QUESTION]}]),
    }[line]
    dataset = Dataset(name="pictures", kind="vision", uri="/data", fields=line, frames=FRAMES)
    fields = record | {"vision": CODES}
    ((example,),) = encoder(dataset, vocabulary.tokenizer, 1026, 0)([Record("/data/records.jsonl", 1, 1, fields)])  # type: ignore[misc]
    assert isinstance(example, Example)
    assert example.loss_mask is not None
    assert example.tokens[: prompt.length].tolist() == prompt.tokens.tolist()
    assert not example.loss_mask[: prompt.length].any(), "what is asked is no target"
    assert example.loss_mask[prompt.length :].all()
