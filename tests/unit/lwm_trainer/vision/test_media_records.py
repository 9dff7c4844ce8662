"""Records that name files: the codes of their pictures in rows of tokens, and what is said where there is none."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lwm_trainer.config import Dataset, Gang, Preparation, PrepareConfig
from lwm_trainer.data.documents.in_memory import load_documents
from lwm_trainer.data.documents.store import TokenStore
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataCorruptError, DataError
from lwm_trainer.parallel import devices
from lwm_trainer.preparation.preparation_report import PreparationReport
from lwm_trainer.preparation.worker import prepare
from lwm_trainer.storage.folder import folder
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.media.read_media import read_media
from lwm_trainer.vision.media.sampling import Sampling
from lwm_trainer.vision.tokenizer import VisionTokenizer
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer, write_tokenizer
from support.builders import ALONE, a_run
from support.media_files import SIZE, clip, picture
from support.tiny_vqgan import TINY
from unit.lwm_trainer.data.encoding.test_tokenizer import content
from unit.lwm_trainer.data.records.test_webdataset import tar

CONFIG = TINY.model_copy(update={"image_size": SIZE})
RECORDS = [
    {"media": "files/a.png", "caption": "one"},
    {"media": "files/c.mp4", "caption": "two"},
    {"media": "files/b.jpg", "caption": "three"},
]
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no file": ({"media": "files/none.png"}, "field 'media' names .*/files/none.png, where no file is: put it there"),
    "no field": ({"image": "files/a.png"}, "field 'media' is missing"),
    "a number": ({"media": 3}, "field 'media' holds a number, not a path or bytes"),
    "outside": ({"media": "../a.png"}, r"field 'media' holds '\.\./a.png': write a path relative to the record's file"),
    "absolute": ({"media": "/etc/passwd"}, "field 'media' holds '/etc/passwd': write a path relative"),
    "a folder": ({"media": "files"}, "field 'media' names .*/files, which is no file"),
    "an empty file": ({"media": "files/empty.png"}, "files/empty.png: is empty"),
    "codes, too": ({"media": "files/a.png", "vision": [1]}, "field 'vision' is there, and the codes of 'media' would take its place"),
}


@cache
def weights(seed: int) -> vqgan.Params:
    return vqgan.init(CONFIG, seed)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    created = tmp_path / "source"
    (created / "files").mkdir(parents=True)
    for name, file in {"a.png": picture("PNG"), "b.jpg": picture("JPEG"), "c.mp4": clip(), "empty.png": b""}.items():
        (created / "files" / name).write_bytes(file)
    write_tokenizer(f"{created}/t.safetensors", CONFIG, weights(0), "test")
    write_records(created, RECORDS)
    (tmp_path / "tokenizer.json").write_bytes(content("<s>", "</s>"))
    return created


def write_records(source: Path, records: list[dict[str, Any]]) -> None:
    (source / "records.jsonl").write_text("".join(json.dumps({"caption": "x"} | record) + "\n" for record in records))


def config(source: Path, frames: dict[str, int] | None = None, **changes: Any) -> PrepareConfig:
    dataset = {
        "name": "clips",
        "kind": "vision",
        "uri": str(source),
        "fields": "[caption],vision",
        "media": {"tokenizer": "t.safetensors", "framesPerSecond": 5},
        "frames": {"tokensPerFrame": 64, "codebookSize": 16, "maxFrames": 3} | (frames or {}),
        **changes,
    }
    files = {"tokenizer": f"{source.parent}/tokenizer.json", "root": f"{source.parent}/stores"}
    return PrepareConfig(training="t", dataset=Dataset.model_validate(dataset), vocab_size=258, vision_vocab_size=32, workers=1, **files)


def prepared(created: PrepareConfig) -> TokenStore:
    result = prepare(created, 0, PreparationReport())
    assert result is not None
    return TokenStore(folder(result.uri), created.dataset.uri)


def test_a_document_has_the_codes_of_its_frames(source: Path) -> None:
    store = prepared(config(source))
    ours = VisionTokenizer(read_tokenizer(f"{source}/t.safetensors"))
    assert len(store) == len(RECORDS)
    for number, record in enumerate(RECORDS):
        span = store.read(int(store.offsets[number]), int(store.offsets[number + 1]))
        with (source / record["media"]).open("rb") as file:
            frames = np.stack(list(read_media(file, "", SIZE, Sampling(5, 3))))
        codes = ours.encode(frames)
        ends = np.full((len(codes), 1), 16)
        ends[-1] = 17
        assert span.vision_mask is not None
        np.testing.assert_array_equal(span.tokens[span.vision_mask], np.concatenate([codes, ends], axis=1).ravel())
        assert len(codes) == (3 if record["media"].endswith("mp4") else 1)


def test_a_worker_without_the_devices_of_its_accelerator_says_so(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "prepare", lambda host, index: None)  # this process has its devices already
    host = Gang(job="j", service="t", hosts=1, devices_per_host=jax.local_device_count() + 1, platform="gpu", coordinator="")
    with pytest.raises(devices.DevicesMissingError, match=r"accelerator.type gpu: JAX finds \d+ devices on this host instead of"):
        prepare(config(source).model_copy(update={"host": host}), 0, PreparationReport())


def test_frames_are_reported_while_they_are_encoded(source: Path) -> None:
    write_records(source, RECORDS * 12)
    reports: list[Preparation] = []
    assert prepare(config(source), 0, PreparationReport(reports.append)) is not None
    frames = [report.frames for report in reports]
    assert frames == sorted(frames)
    assert len(set(frames)) > 10, "after each batch"
    assert frames[-1] == 12 * (1 + 3 + 1)
    assert 32 in {report.documents for report in reports}, "before the shard of 36 records is done"


def test_the_store_knows_the_tokenizer_the_settings_and_the_files(source: Path) -> None:
    def place(**changes: Any) -> str:
        result = prepare(config(source, **changes), 0, PreparationReport())
        assert result is not None
        return result.uri

    places = [place(), place(media={"tokenizer": "t.safetensors", "framesPerSecond": 2})]
    (source / "u.safetensors").write_bytes((source / "t.safetensors").read_bytes())
    assert place(media={"tokenizer": "u.safetensors", "framesPerSecond": 5}) == places[0], "the address of the tokenizer does not count"
    write_tokenizer(f"{source}/t.safetensors", CONFIG, weights(1), "test")
    places.append(place())
    (source / "files" / "a.png").write_bytes(picture("JPEG"))
    places.append(place())
    assert len(set(places)) == 4


def test_pictures_within_records_make_the_same_documents_as_files(source: Path, tmp_path: Path) -> None:
    def tokens(**changes: Any) -> list[int]:
        store = prepared(config(source, **changes))
        assert len(store) == len(RECORDS)
        values: list[int] = store.read(0, int(store.offsets[-1])).tokens.tolist()
        return values

    expected = tokens()
    files = [(source / record["media"]).read_bytes() for record in RECORDS]
    captions = [record["caption"] for record in RECORDS]
    columns = {
        "content": files,
        "image": [{"bytes": content, "path": None} for content in files],
        "path": [{"bytes": None, "path": record["media"]} for record in RECORDS],
    }
    pq.write_table(pa.table({"caption": captions, **columns}), source / "rows.parquet")
    for column in columns:
        media = {"tokenizer": "t.safetensors", "framesPerSecond": 5, "field": column}
        assert tokens(uri=f"{source}/rows.parquet", media=media) == expected
    samples = {
        f"{number}.{suffix}": content
        for number, (record, file) in enumerate(zip(RECORDS, files, strict=True))
        for suffix, content in (("json", json.dumps({"caption": record["caption"]}).encode()), (record["media"][-3:], file))
    }
    tar(source / "samples.tar", samples)
    assert tokens(uri=f"{source}/samples.tar") == expected


@pytest.mark.parametrize("name", BAD)
def test_a_record_without_a_picture_is_named(name: str, source: Path) -> None:
    record, message = BAD[name]
    write_records(source, [RECORDS[0], record, RECORDS[2]])
    with pytest.raises(DataCorruptError, match=f"records.jsonl:2: .*{message}"):
        prepare(config(source), 0, PreparationReport())
    result = prepare(config(source, on_bad_record="skip"), 0, PreparationReport())
    assert result is not None
    assert (result.documents, result.skipped) == (2, 1)


@pytest.mark.parametrize(("field", "value"), [("tokensPerFrame", 256), ("codebookSize", 15)])
def test_another_shape_of_codes_is_refused(field: str, value: int, source: Path) -> None:
    theirs = {"tokensPerFrame": 64, "codebookSize": 16}[field]
    with pytest.raises(DataError, match=rf"datasets\[clips\].frames.{field}: it is {value}, but the tokenizer .* has {theirs}: set it"):
        prepare(config(source, frames={field: value}), 0, PreparationReport())


def test_a_host_encodes_no_pictures_at_startup(source: Path) -> None:
    dataset = config(source).dataset
    run = a_run(**(ALONE | {"datasets": [dataset], "tokenizer": f"{source.parent}/tokenizer.json"}))
    with pytest.raises(DataError, match=r"datasets\[clips\].media: pictures and clips are encoded by a preparation"):
        load_documents(run, Tokenizer.load(run.tokenizer, 258))
