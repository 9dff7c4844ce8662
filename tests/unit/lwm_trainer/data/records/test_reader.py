"""Records of a data set: their order on disk and in a bucket, and the errors for files and records that cannot be read."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from lwm_trainer.config import ExitCode
from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.records.reader import read_records
from lwm_trainer.data.records.record import BadRecord, Record
from lwm_trainer.data.records.shards import single_shard
from lwm_trainer.data.records.source_files import list_record_files
from lwm_trainer.storage.errors import FileChangedError, FileMissingError, InvalidUriError, StorageDeniedError, StorageMissingError
from lwm_trainer.storage.files import read_files
from support.fake_gcs import Bucket, a_bucket

NOT_UTF8 = "is not UTF-8 (in Latin-1 it is"
OBJECTS = {
    "books/b.txt": b"two",
    "books/a.txt": b"one",
    "books/more/c.jsonl": b'{"text": "three"}\n',
    "books-old/x.txt": b"old",
    "books/x.md": b"no",
}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with a_bucket(monkeypatch, OBJECTS) as created:
        yield created


def texts(uri: object) -> list[str]:
    """The texts of all records, none of which is bad."""
    listing = list_record_files(str(uri))
    result = list(read_records(listing, single_shard(listing)))
    assert all(isinstance(each, Record) for each in result), result
    return [each.fields["text"] for each in result if isinstance(each, Record)]


def bad(path: Path, content: bytes | str) -> list[str]:
    """The messages of the bad records of a file."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    listing = list_record_files(str(path))
    return [
        str(each).removeprefix(f"{path.parent}/") for each in read_records(listing, single_shard(listing)) if isinstance(each, BadRecord)
    ]


def test_a_folder_is_read_in_the_order_of_its_paths(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.txt").write_text("two\nlines")
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n\n{"text": "one and a half"}\n')
    (tmp_path / "sub" / "c.txt").write_text("three")
    (tmp_path / "notes.md").write_text("not read")
    assert texts(tmp_path) == ["one", "one and a half", "two\nlines", "three"]
    assert texts(tmp_path / "b.txt") == ["two\nlines"]


def test_a_bucket_s_folder_is_read_without_its_namesakes(bucket: Bucket) -> None:
    assert texts("gs://lwm/books") == ["one", "two", "three"]
    assert texts("gs://lwm/books/") == ["one", "two", "three"]
    assert [file.uri for file in read_files("gs://lwm/books/a.txt", (".txt",))] == ["gs://lwm/books/a.txt"]


@pytest.mark.parametrize(
    ("pattern", "result"),
    [
        ("books/*.txt", ["one", "two"]),
        ("books/**/*.txt", ["one", "two"]),
        ("books/**/*.jsonl", ["three"]),
        ("**/*.txt", ["old", "one", "two"]),
        ("book*", ["old", "one", "two", "three"]),
        ("books*/a.*", ["one"]),
        ("books/m*", ["three"]),
        ("*/x.txt", ["old"]),
    ],
)
def test_a_pattern_means_the_same_on_disk_and_in_a_bucket(bucket: Bucket, tmp_path: Path, pattern: str, result: list[str]) -> None:
    for name, content in OBJECTS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert sorted(texts(f"gs://lwm/{pattern}")) == sorted(texts(f"{tmp_path}/{pattern}")) == sorted(result)


def test_a_pattern_that_matches_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    with pytest.raises(FileMissingError, match=r"b\*\.txt: no file ending in \.txt or \.jsonl"):
        list_record_files(f"{tmp_path}/b*.txt")


def test_a_bucket_s_errors_tell_missing_from_denied(bucket: Bucket) -> None:
    with pytest.raises(
        StorageMissingError, match=r"gs://none/books: bucket 'none' does not exist: create it, then raise spec\.resume"
    ) as missing:
        list_record_files("gs://none/books")
    with pytest.raises(StorageDeniedError, match=r"bucket 'secret' is denied: grant roles/storage\.objectViewer") as denied:
        list_record_files("gs://secret/books")
    with pytest.raises(FileMissingError, match=r"gs://lwm/none: no file ending in \.txt or \.jsonl"):
        list_record_files("gs://lwm/none")
    assert (missing.value.code, missing.value.reason) == (ExitCode.BAD_DATA, "BucketMissing")
    assert (denied.value.code, denied.value.reason) == (ExitCode.STORAGE_DENIED, "BucketDenied")


@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_an_object_that_changes_while_it_is_read_is_named(bucket: Bucket, change: str) -> None:
    listing = list_record_files("gs://lwm/books/a.txt")
    if change == "replaced":
        bucket.objects["books/a.txt"] = b"two"
    else:
        del bucket.objects["books/a.txt"]
    with pytest.raises(FileChangedError, match=r"gs://lwm/books/a\.txt: was changed while it was read: leave it as it is until"):
        list(read_records(listing, single_shard(listing)))


def test_a_file_that_changes_while_it_is_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    listing = list_record_files(str(tmp_path))
    (tmp_path / "a.txt").write_text("other")
    with pytest.raises(FileChangedError, match=r"a\.txt: was changed while it was read"):
        list(read_records(listing, single_shard(listing)))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_file_that_is_written_to_while_it_is_open_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lines = b'{"text": "one"}\n{"text": "two"}\n'
    path.write_bytes(gzip.compress(lines, mtime=0) if name.endswith(".gz") else lines)
    listing = list_record_files(str(tmp_path))
    records = read_records(listing, single_shard(listing))
    next(records)
    with path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(FileChangedError, match=rf"{name}: was changed while it was read"):
        list(records)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "fine"}\n["text"]', 'a.jsonl:2: a list and no object: write one object a line, such as {"text": "…"}'),
        ('{"a": {"text": 1, "b": 2, "text": 3}}', "a.jsonl:1: the key 'text' is there twice in one object: keep one of them"),
        ("null", 'a.jsonl:1: null and no object: write one object a line, such as {"text": "…"}'),
        ('\n{"text": ', "a.jsonl:2: not JSON (Expecting value at column 10): write one object a line"),
        (
            b'{}\r\n{"text": "\xff"}\r\n',
            f"a.jsonl:2: byte 14 of the file, 0xFF, {NOT_UTF8} 'ÿ'): save the file as UTF-8",
        ),
        (
            '{"text": "\\ud800"}',
            "a.jsonl:1: half of a surrogate pair (\\ud800 to \\udfff), which is no letter: write it as UTF-8 or as a whole pair",
        ),
        (
            '{"a": 1' + "0" * 5000 + "}",
            "a.jsonl:1: not JSON that can be read (Exceeds the limit (4300 digits) for integer string conversion: value has "
            "5001 digits; use sys.set_int_max_str_digits() to increase the limit): write one object a line",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert bad(tmp_path / "a.jsonl", content) == [message]


def test_letters_beyond_the_basic_plane_may_be_escaped(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "\\ud83d\\ude42"}')
    assert texts(tmp_path) == ["🙂"]


def test_a_text_of_a_wrong_encoding_is_named(tmp_path: Path) -> None:
    assert bad(tmp_path / "a.txt", b"ab\xe9") == [
        "a.txt: byte 2 of the file, 0xE9, is not UTF-8 (in Latin-1 it is 'é'): save the file as UTF-8"
    ]


def test_a_byte_order_mark_of_utf8_is_no_content(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    (tmp_path / "a.jsonl").write_bytes(mark + b'{"text": "one"}\n{"text": "two"}\n')
    (tmp_path / "b.txt").write_bytes(mark + b"three")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(mark + b'{"text": "four"}\n', mtime=0))
    assert texts(tmp_path) == ["one", "two", "three", "four"]


WITHOUT_MARK = (
    "every second byte from byte 0 on is zero or another control character, as in UTF-16 without a byte order mark: save it as UTF-8"
)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
@pytest.mark.parametrize(
    ("encoding", "problem"),
    [
        ("utf-16", "is UTF-16, by the byte order mark at byte 0: save the file as UTF-8"),
        ("utf-32", "is UTF-32, by the byte order mark at byte 0: save the file as UTF-8"),
        ("utf-16-le", WITHOUT_MARK),
        ("utf-16-be", WITHOUT_MARK),
    ],
)
def test_another_encoding_is_named_as_what_it_is(tmp_path: Path, name: str, encoding: str, problem: str) -> None:
    (tmp_path / name).write_bytes('{"text": "one"}\n'.encode(encoding))
    with pytest.raises(DataCorruptError) as raised:
        texts(tmp_path)
    assert str(raised.value) == f"{tmp_path}/{name}: {problem}"


@pytest.mark.parametrize("text", ["Все счастливые семьи похожи — каждая несчастна", "Ὅμηρος Ἰλιάς", "כל המשפחות", "one"])  # noqa: RUF001
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_no_alphabet_in_utf_16_is_taken_for_utf_8(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    with pytest.raises(DataCorruptError, match="UTF-16 without a byte order mark"):
        texts(tmp_path)


def test_lines_of_one_letter_are_utf_8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a\nb\nc\td\ne\n")
    assert texts(tmp_path) == ["a\nb\nc\td\ne\n"]


def test_a_record_knows_its_bytes_whatever_it_holds(tmp_path: Path) -> None:
    line = json.dumps({"messages": [{"role": "user", "content": "x" * 5000}]})
    (tmp_path / "a.jsonl").write_text(line)
    (tmp_path / "b.txt").write_text("é" * 3000)
    listing = list_record_files(str(tmp_path))
    assert [each.size for each in read_records(listing, single_shard(listing)) if isinstance(each, Record)] == [len(line), 6000]


def test_bad_paths_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match="no such file or folder"):
        list_record_files(f"{tmp_path}/none")
    with pytest.raises(InvalidUriError, match=r"'books' is neither gs://bucket/path nor an absolute path"):
        list_record_files("books")


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl.gz", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0), "its content is a gzip archive: unpack it"),
        ("a.txt.zst", zstd(gzip.compress(b"one", mtime=0)), "its content is a gzip archive: unpack it"),
        ("a.jsonl", gzip.compress(b"{}", mtime=0), "its content is a gzip archive: unpack it"),
        ("a.txt", b"\xfd7zXZ\x00\x00\x04", "its content is an xz archive: unpack it"),
        ("a.txt", LFS_POINTER, "its content is a pointer of Git LFS, not the file itself: run `git lfs pull` where it came from"),
        ("a.jsonl.gz", zstd(b"{}"), "not a complete gzip file: it is a zstd archive: unpack it"),
        ("a.jsonl.gz", b"PK\x03\x04", "not a complete gzip file: it is a zip archive: unpack it"),
        (
            "a.jsonl.gz",
            gzip.compress(b"{}", mtime=0)[:-4],
            "not a complete gzip file (Truncated compressed stream): compress or copy it again",
        ),
        ("a.txt.zst", b"", "is empty, and even of nothing a zstd file has bytes: compress or copy it again"),
        ("a.parquet", LFS_POINTER, "not a complete parquet file: it is a pointer of Git LFS"),
        ("a.arrow", gzip.compress(b"ARROW", mtime=0), "datasets writes them: it is a gzip archive: unpack it"),
    ],
)
def test_an_archive_or_a_pointer_is_named_as_what_it_is(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataCorruptError) as error:
        texts(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path}/{name}: ")
    assert problem in str(error.value)


def test_a_text_with_letters_of_an_archives_mark_is_a_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("g".rjust(257) + "ustar")
    assert len(texts(tmp_path)) == 1
