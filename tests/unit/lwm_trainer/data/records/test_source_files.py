"""A folder's listing holds all of its data, or an error names what is not read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lwm_trainer.data.errors import DataError
from lwm_trainer.data.records.source_files import file_format, list_record_files
from lwm_trainer.storage.errors import FileMissingError
from support.fake_gcs import a_bucket

DATA = ["D.JSONL", "a.jsonl", "b.jsonl.gz", "c.txt.zst", "e/f.parquet", "g.txt", "h.TXT.GZ", "i.tar"]
NO_DATA = [
    "._a.jsonl",
    ".ipynb_checkpoints/a-checkpoint.jsonl",
    ".DS_Store",
    "__MACOSX/a.jsonl",
    "lost+found/a.txt",
    "_SUCCESS",
    "_committed_17",
    "README.md",
    "LICENSE",
    "a.jsonl.sha256",
    "SHA256SUMS",
    "dataset_info.json",
    "state.json",
    "cache-1234.arrow",
    "cache/json-train.lock",
]


class Source:
    """A folder on disk or in a bucket."""

    def __init__(self, uri: str, objects: dict[str, bytes]) -> None:
        self.uri, self._objects = uri, objects

    def write(self, *names: str) -> str:
        for name in names:
            if self.uri.startswith("gs://"):
                self._objects[f"source/{name}"] = b"x"
            else:
                (Path(self.uri) / name).parent.mkdir(parents=True, exist_ok=True)
                (Path(self.uri) / name).write_bytes(b"x")
        return self.uri


@pytest.fixture(params=["disk", "bucket"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    if request.param == "disk":
        yield Source(str(tmp_path), {})
    else:
        with a_bucket(monkeypatch, {}) as bucket:
            yield Source("gs://lwm/source", bucket.objects)


def names(uri: str) -> set[str]:
    return {entry.name for entry in list_record_files(uri).entries}


def test_files_of_every_known_type_are_listed_and_what_is_known_to_be_no_data_is_not(source: Source) -> None:
    assert names(source.write(*DATA, *NO_DATA)) == set(DATA)


@pytest.mark.parametrize("name", ["c.json", "d.csv", "e.jsonl.bz2", "f.jsonl.xz", "g.tar.gz", "h.parquet.gz", "i.ndjson", "noname"])
def test_what_is_neither_is_named(source: Source, name: str) -> None:
    uri = source.write("a.jsonl", name)
    with pytest.raises(DataError) as raised:
        list_record_files(uri)
    assert str(raised.value).startswith(
        f"{uri}: {name} is not read, because only .txt, .jsonl, .parquet, .arrow, .tar, .txt and .jsonl also with"
    )
    assert str(raised.value).endswith("choose the files to read by source.files, such as '*.jsonl', or move the others away")
    assert ("a .json file is one value" in str(raised.value)) == (name == "c.json")
    assert names(f"{uri}/*.jsonl") == {"a.jsonl"}, "a pattern chooses"


def test_of_many_such_files_some_are_named_and_all_are_counted(source: Source) -> None:
    uri = source.write("a.jsonl", *(f"{number}.csv" for number in range(5)))
    with pytest.raises(DataError, match=r"0\.csv, 1\.csv, 2\.csv and 2 more are not read"):
        list_record_files(uri)


def test_a_folder_without_data_says_what_it_holds(source: Source) -> None:
    uri = source.write("README.md", "_SUCCESS")
    with pytest.raises(FileMissingError, match=r"no file ending in .* is there; README\.md, _SUCCESS are not data: put the data there"):
        list_record_files(uri)


def test_arrow_files_of_other_names_are_named_and_may_be_chosen(source: Source) -> None:
    other = [f"json-train-0000{number}-of-00002.arrow" for number in range(2)]
    uri = source.write(*other)
    with pytest.raises(DataError, match=r"of-00002\.arrow, json-train-00001-of-00002\.arrow are not among the .arrow files"):
        list_record_files(uri)
    assert names(f"{uri}/json-train-*.arrow") == set(other)
    assert names(f"{uri}/{other[0]}") == {other[0]}


def test_a_single_file_is_read_whatever_its_name_and_refused_for_its_type(source: Source) -> None:
    uri = source.write(".hidden.jsonl", "x.json")
    assert names(f"{uri}/.hidden.jsonl") == {".hidden.jsonl"}
    with pytest.raises(DataError, match=r"x\.json is not read"):
        list_record_files(f"{uri}/x.json")


def test_a_star_in_a_name_is_a_star(source: Source) -> None:
    uri = source.write("a*/one.txt", "ab/two.txt", "x/*.txt", "x/y.txt")
    assert names(f"{uri}/a*") == {"one.txt"}
    assert names(f"{uri}/a*/o*") == {"one.txt"}
    assert names(f"{uri}/x/*.txt") == {"*.txt"}
    assert names(f"{uri}/ab*/*") == {"ab/two.txt"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", (".txt", None)),
        ("x.y/a.JSONL.GZ", (".jsonl", "gzip")),
        ("a.jsonl.zst", (".jsonl", "zstd")),
        ("a.parquet.gz", None),
        ("a.gz", None),
        ("jsonl", None),
        ("a.jsonl.bak", None),
    ],
)
def test_formats_by_name(name: str, expected: tuple[str, str | None] | None) -> None:
    assert file_format(name) == expected
