"""A data set's identity is another one whenever its documents are, and only then."""

import json
import os
from pathlib import Path

import pytest

from lwm_trainer.config import DatasetIdentity, PrepareConfig
from lwm_trainer.data.documents.identity import identify
from lwm_trainer.data.documents.in_memory import load_documents
from lwm_trainer.data.errors import DataError
from lwm_trainer.preparation.preparation_report import PreparationReport
from lwm_trainer.preparation.worker import prepare
from support.builders import ALONE, a_run
from support.byte_tokenizer import byte_tokenizer, byte_tokenizer_json

LINES = ["one", "two", "three"]


def write(folder: Path, lines: list[str], name: str = "a.jsonl") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps({"text": line, "note": "x"}) + "\n" for line in lines))
    return folder


def identity(source: Path, **changes: object) -> DatasetIdentity:
    run = a_run(**(ALONE | {"datasets": [{"name": "books", "uri": str(source), **changes}]}))
    tokenizer = byte_tokenizer()
    return identify(run.datasets[0], load_documents(run, tokenizer)["books"], tokenizer)


@pytest.mark.parametrize(
    "lines",
    [LINES[:2], [*LINES, "four"], ["two", "one", "three"], ["one", "two", "threE"], ["onet", "wo", "three"]],
    ids=["a line less", "a line more", "another order", "another letter", "another border"],
)
def test_another_content_is_another_identity(tmp_path: Path, lines: list[str]) -> None:
    before = identity(write(tmp_path / "source", LINES))
    assert identity(write(tmp_path / "source", lines)).content != before.content


def test_what_counts_in_the_loss_is_part_of_the_content(tmp_path: Path) -> None:
    source = write(tmp_path / "source", LINES)
    assert identity(source, fields="[text]").content != identity(source).content


def test_what_later_epochs_draw_is_part_of_the_content(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()

    def drawn(*lines: str) -> DatasetIdentity:
        records = [{"a": "x", "b": "y", "own": lines} for _ in range(30)]
        (source / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        return identity(source, fields_from_example="own")

    one, two = drawn("a,b"), drawn("a,b", "b,a")
    assert two.content != one.content
    assert (two.documents, two.tokens) == (one.documents, one.tokens) == (30, 120)


def test_files_that_were_touched_copied_or_renamed_are_the_same_data(tmp_path: Path) -> None:
    source = write(tmp_path / "source", LINES)
    before = identity(source)
    os.utime(source / "a.jsonl", ns=(1, 1))
    assert identity(source) == before
    assert identity(write(tmp_path / "copy", LINES, "b.jsonl")).content == before.content


def test_it_says_where_the_documents_are_and_how_many(tmp_path: Path) -> None:
    source = write(tmp_path / "source", LINES)
    books = identity(source, weight=3)
    assert (books.source, books.documents, books.tokens, books.weight) == (str(source), 3, 17, 3)
    assert (books.begin_id, books.end_id) == (256, 257)
    assert str(books) == f"3 documents, 17 tokens, content {books.content}"


def test_a_token_store_is_what_it_was_made_of(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(byte_tokenizer_json())

    def prepared(lines: list[str], **changes: object) -> DatasetIdentity:
        dataset = {"name": "books", "uri": str(write(tmp_path / "source", lines)), **changes}
        settings = {"training": "t", "dataset": dataset, "tokenizer": str(tmp_path / "t.json"), "vocab_size": 258}
        store = prepare(PrepareConfig(**settings, root=str(tmp_path / "stores"), workers=1), 0, PreparationReport())
        assert store is not None
        return identity(tmp_path / "source", prepared=store.uri)

    before = prepared(LINES)
    assert identity(write(tmp_path / "source", LINES[:1]), prepared=f"{next((tmp_path / 'stores').iterdir())}") == before, (
        "read from the store"
    )
    assert prepared(LINES[:2]).content != before.content


def test_a_token_store_of_another_tokenizer_is_refused_with_both_named(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(byte_tokenizer_json())
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "</s>", "eos_token": "<s>"}')
    dataset = {"name": "books", "uri": str(write(tmp_path / "source", LINES))}
    settings = {"training": "t", "dataset": dataset, "tokenizer": str(tmp_path / "t.json"), "vocab_size": 258}
    store = prepare(PrepareConfig(**settings, root=str(tmp_path / "stores"), workers=1), 0, PreparationReport())
    assert store is not None
    with pytest.raises(DataError) as raised:
        identity(tmp_path / "source", prepared=store.uri)
    sha256 = byte_tokenizer().sha256[:16]
    assert str(raised.value) == (
        f"datasets[books]: the token store {store.uri} was made with tokenizer {sha256} with begin token 257 and end token 256, but t.json"
        f" is tokenizer {sha256} with begin token 256 and end token 257: put the files of the tokenizer back as they were, or create the"
        " training anew, which prepares the data set again"
    )
