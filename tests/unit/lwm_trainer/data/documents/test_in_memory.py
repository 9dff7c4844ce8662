"""A stage's data sets as a trainer has them: read and encoded in memory, or opened where they are prepared."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lwm_trainer.config import PrepareConfig, RunConfig
from lwm_trainer.data.documents.in_memory import InMemoryDocuments, load_documents
from lwm_trainer.data.documents.store import TokenStore
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataCorruptError, DataError, DataMissingError
from lwm_trainer.preparation.preparation_report import PreparationReport
from lwm_trainer.preparation.worker import prepare
from support.builders import ALONE, a_run
from unit.lwm_trainer.data.encoding.test_tokenizer import content


def run(source: object, **changes: Any) -> RunConfig:
    return a_run(**(ALONE | {"datasets": [{"name": "books", "uri": str(source), **changes}]}))


def load(source: object, **changes: Any) -> InMemoryDocuments | TokenStore:
    return load_documents(run(source, **changes), Tokenizer(content("<s>", "</s>"), "t.json", 258))["books"]


def test_documents_are_in_the_order_of_files_and_lines_and_know_where_they_came_from(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("two")
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n\n{"text": "x"}\n')
    source = load(tmp_path)
    assert [source.name(number) for number in range(3)] == [f"{tmp_path}/a.jsonl:1", f"{tmp_path}/a.jsonl:3", f"{tmp_path}/b.txt"]
    assert source.offsets.tolist() == [0, 5, 8, 13]
    whole = source.read(0, 13)
    assert whole.loss_mask.tolist() == [place not in (0, 5, 8) for place in range(13)]
    assert not whole.vision_mask.any()
    part = source.read(4, 9)
    assert np.array_equal(part.tokens, whole.tokens[4:9])
    assert part.loss_mask.tolist() == [True, False, True, True, False]


def test_what_does_not_count_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"q": "ab", "a": "c"}\n')
    assert load(tmp_path, fields="[q],a").read(1, 5).loss_mask.tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({"body": "x"}, "field 'text' is missing (the record has 'body'): add it or correct the fields of the data set"),
        ({"text": 3}, "field 'text' holds a number, not text: write a string"),
        ({"text": " "}, "the document is empty: leave its record out"),
    ],
)
def test_a_bad_record_is_fatal_or_skipped_as_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: dict[str, Any], problem: str
) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "fine"}) + "\n" + json.dumps(line))
    with pytest.raises(DataCorruptError) as error:
        load(tmp_path)
    assert str(error.value) == f"{tmp_path}/a.jsonl:2: {problem}"
    assert load(tmp_path, on_bad_record="skip").offsets.tolist() == [0, 6]
    assert capsys.readouterr().err.splitlines() == [
        f"skipped: {tmp_path}/a.jsonl:2: {problem}",
        "datasets[books]: 1 documents, 1 records skipped",
    ]


def test_a_million_bad_records_do_not_fill_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jsonl").write_text("no\n" * 300 + '{"text": "x"}\n')
    assert load(tmp_path, on_bad_record="skip").offsets.tolist() == [0, 3]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 102
    assert lines[-2:] == ["skipped: more records, which are counted and not printed", "datasets[books]: 1 documents, 300 records skipped"]


def test_a_data_set_without_a_document_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n")
    with pytest.raises(DataMissingError, match=r"datasets\[books\]: .* holds no document: its files are empty"):
        load(tmp_path)
    (tmp_path / "a.jsonl").write_text("no\n")
    with pytest.raises(DataError, match=r"none of its 1 records makes a document; the first: .*a\.jsonl:1: not JSON"):
        load(tmp_path, on_bad_record="skip")


def test_a_prepared_data_set_is_opened(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("text")
    (tmp_path / "tokenizer.json").write_bytes(content("<s>", "</s>"))
    settings = {"training": "t", "tokenizer": f"{tmp_path}/tokenizer.json", "vocab_size": 258, "root": f"{tmp_path}/out", "workers": 1}
    store = prepare(PrepareConfig(**settings, dataset=run(tmp_path / "data").datasets[0]), 0, PreparationReport())
    assert store is not None
    (tmp_path / "data" / "a.txt").unlink()  # nobody reads it again
    source = load(tmp_path / "data", prepared=store.uri)
    assert isinstance(source, TokenStore)
    assert source.name(0) == f"{tmp_path}/data/a.txt"
