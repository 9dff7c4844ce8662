"""WebDataset's tar files: which files are a sample, what its fields are, and what is said of a tar file that is damaged."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.records.reader import read_records
from lwm_trainer.data.records.record import BadRecord, Record
from lwm_trainer.data.records.shards import single_shard
from lwm_trainer.data.records.source_files import list_record_files

FILES = {
    "a/1.json": json.dumps({"caption": "one", "width": 3}).encode(),
    "a/1.jpg": b"picture",
    "a/1.txt": "eins ä".encode(),
    "b/1.cls": b"7",
    "b/1.0.PNG": b"first",
    "b/1.1.png": b"second",
    "2.txt": b"no picture",
}


def tar(path: Path, files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    with tarfile.open(path, "w", format=kind) as opened:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return path.read_bytes()


def read(folder: Path) -> list[Record | BadRecord]:
    listing = list_record_files(str(folder))
    return list(read_records(listing, single_shard(listing)))


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_of_one_key_are_a_sample(kind: int, tmp_path: Path) -> None:
    tar(tmp_path / "x.tar", FILES, kind)
    jpg = {"bytes": b"picture", "path": "a/1.jpg"}
    frames = [{"bytes": b"first", "path": "b/1.0.PNG"}, {"bytes": b"second", "path": "b/1.1.png"}]
    fields: list[dict[str, Any]] = [
        {"__key__": "a/1", "caption": "one", "width": 3, "jpg": jpg, "txt": "eins ä", "media": jpg},
        {"__key__": "b/1", "cls": b"7", "0.png": frames[0], "1.png": frames[1], "media": frames},
        {"__key__": "2", "txt": "no picture"},
    ]
    uri = f"{tmp_path}/x.tar"
    assert read(tmp_path) == [Record(uri, number, number, each, file="x.tar") for number, each in enumerate(fields, 1)]
    assert [record.size for record in read(tmp_path) if isinstance(record, Record)] == [
        sum(len(content) for name, content in FILES.items() if name.startswith(key)) for key in ("a/", "b/", "2")
    ]


def test_what_is_no_data_makes_no_sample(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as opened:
        folder = tarfile.TarInfo("a")
        folder.type = tarfile.DIRTYPE
        opened.addfile(folder)
        opened.addfile(tarfile.TarInfo("a/._1.jpg"))
        opened.addfile(tarfile.TarInfo("./a/1.txt"))
    assert [record.fields for record in read(tmp_path) if isinstance(record, Record)] == [{"__key__": "a/1", "txt": ""}]


BAD = {
    "no suffix": ({"1.txt": b"x", "1": b""}, "the file '1' has no suffix: name it by what it holds"),
    "twice": ({"1.txt": b"x", "1.TXT": b"y"}, "two fields would have the name 'txt'"),
    "a key and a suffix": ({"1.json": b'{"txt": 1}', "1.txt": b"y"}, "two fields would have the name 'txt'"),
    "a key that is taken": ({"1.json": b'{"media": 1}'}, "two fields would have the name 'media'"),
    "no JSON": ({"1.json": b"{"}, "'1.json': not JSON that can be read"),
    "no object": ({"1.json": b"[1]"}, "'1.json': holds no JSON object"),
    "a key twice": ({"1.json": b'{"a": 1, "a": 2}'}, "'1.json': the key 'a' is there twice"),
    "no UTF-8": ({"1.txt": b"\xff"}, "'1.txt': byte 0 is not UTF-8"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_sample_is_named_and_the_next_one_is_read(name: str, tmp_path: Path) -> None:
    files, problem = BAD[name]
    tar(tmp_path / "x.tar", {"0.txt": b"before", **files, "2.txt": b"after"})
    first, bad, last = read(tmp_path)
    assert isinstance(bad, BadRecord)
    assert str(bad).startswith(f"{tmp_path}/x.tar:2: sample '1': {problem}")
    assert [each.fields["txt"] for each in (first, last) if isinstance(each, Record)] == ["before", "after"]


def test_a_link_is_no_file_of_a_sample(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as opened:
        link = tarfile.TarInfo("1.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        opened.addfile(link)
    (bad,) = read(tmp_path)
    assert "'1.jpg' is a link or no file: put the file itself into the tar file" in str(bad)


def test_wherever_it_is_cut_off_or_damaged_that_is_said(tmp_path: Path) -> None:
    whole = tar(tmp_path / "x.tar", FILES, tarfile.USTAR_FORMAT)
    content = len(FILES) * 1024  # a header and a block each
    for length in range(0, content + 512, 200):
        (tmp_path / "x.tar").write_bytes(whole[:length])
        with pytest.raises(DataCorruptError, match=r"x\.tar: .*copy it again"):
            read(tmp_path)
    for header in range(0, content, 1024):
        (tmp_path / "x.tar").write_bytes(whole[:header] + b"\xff" * 512 + whole[header + 512 :])
        with pytest.raises(DataCorruptError, match=r"x\.tar: .*copy it again"):
            read(tmp_path)


def test_another_archive_is_told_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"\x1f\x8b" + bytes(1000))
    with pytest.raises(DataCorruptError, match=r"x\.tar: not a complete tar file: it is a gzip archive: unpack it"):
        read(tmp_path)
