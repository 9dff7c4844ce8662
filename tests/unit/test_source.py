"""Sources: what is read, in which order, and what is said when it cannot be."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from lwm_trainer.config import Dataset, ExitCode
from lwm_trainer.data import DataError, StorageDeniedError
from lwm_trainer.data.documents import read_texts
from lwm_trainer.data.errors import DataCorruptError, DataMissingError
from lwm_trainer.data.source import read_files

OBJECTS = {
    "books/b.txt": b"two",
    "books/a.txt": b"one",
    "books/more/c.jsonl": b'{"text": "three"}\n',
    "books-old/x.txt": b"old",
    "books/x.md": b"no",
}


class Store(BaseHTTPRequestHandler):
    """As much of the object store's API as reading takes; bucket `secret` refuses, other names but `lwm` do not exist."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        _, _, tail = url.path.partition("/b/")
        bucket, _, name = tail.partition("/o")
        if bucket != "lwm":
            return self.answer(403 if bucket == "secret" else 404, b'{"error": {"message": "no"}}')
        if name:
            return self.answer(200, OBJECTS[unquote(name[1:])])
        prefix = parse_qs(url.query).get("prefix", [""])[0]
        items = [
            {"name": found, "bucket": bucket, "mediaLink": "http://unreachable.invalid/"} for found in OBJECTS if found.startswith(prefix)
        ]
        return self.answer(200, json.dumps({"items": items}).encode())

    def answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


def dataset(uri: object, **changes: str) -> Dataset:
    return Dataset.model_validate({"name": "books", "kind": "text", "uri": str(uri), **changes})


def test_a_folder_is_read_in_the_order_of_its_paths(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.txt").write_text("two\nlines")
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n\n{"text": "one and a half"}\n')
    (tmp_path / "sub" / "c.txt").write_text("three")
    (tmp_path / "notes.md").write_text("not read")
    assert read_texts(dataset(tmp_path)) == ["one", "one and a half", "two\nlines", "three"]
    assert read_texts(dataset(tmp_path / "b.txt")) == ["two\nlines"]


def test_a_bucket_s_folder_is_read_without_its_namesakes(bucket: None) -> None:
    assert read_texts(dataset("gs://lwm/books")) == ["one", "two", "three"]
    assert read_texts(dataset("gs://lwm/books/")) == ["one", "two", "three"]
    assert [file.uri for file in read_files("gs://lwm/books/a.txt")] == ["gs://lwm/books/a.txt"]


def test_a_bucket_s_errors_tell_missing_from_denied(bucket: None) -> None:
    with pytest.raises(DataError, match=r"gs://none/books: bucket 'none' does not exist: create it, then raise spec\.resume") as missing:
        read_files("gs://none/books")
    with pytest.raises(StorageDeniedError, match=r"bucket 'secret' is denied: grant roles/storage\.objectViewer") as denied:
        read_files("gs://secret/books")
    with pytest.raises(DataMissingError, match=r"gs://lwm/none: no file ending in \.txt or \.jsonl"):
        read_files("gs://lwm/none")
    assert (missing.value.code, missing.value.reason) == (ExitCode.BAD_DATA, "BucketMissing")
    assert (denied.value.code, denied.value.reason) == (ExitCode.STORAGE_DENIED, "BucketDenied")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"text": "fine"}\n{"body": "x"}', r"a\.jsonl:2: no text under 'text': add it or correct fields of data set 'books'"),
        ('{"text": 3}', r"a\.jsonl:1: no text under 'text'"),
        ('["text"]', r"a\.jsonl:1: no text under 'text'"),
        ('\n{"text": ', r"a\.jsonl:2: not JSON \(.*at column \d+\): write one object a line"),
        (b'{"text": "\xff"}', r"a\.jsonl:1: byte 10 is not UTF-8"),
        ("", "holds no document"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str | bytes, error: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(line if isinstance(line, bytes) else line.encode())
    with pytest.raises(DataError, match=error):
        read_texts(dataset(tmp_path))


def test_another_text_field(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "x"}')
    assert read_texts(dataset(tmp_path, fields="body")) == ["x"]


def test_bad_encoding_and_bad_paths_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"ab\xe9")
    with pytest.raises(DataCorruptError, match=r"a\.txt: byte 2 is not UTF-8: save"):
        read_texts(dataset(tmp_path))
    with pytest.raises(DataMissingError, match="no such file or folder"):
        read_texts(dataset(tmp_path / "none"))
    with pytest.raises(DataError, match=r"'books' is neither gs://bucket/path nor an absolute path"):
        read_texts(dataset("books"))
