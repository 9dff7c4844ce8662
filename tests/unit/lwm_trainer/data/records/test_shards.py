"""Shards hold every line of a data set exactly once."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm_trainer.data.records import shards as record_shards
from lwm_trainer.data.records.reader import read_records
from lwm_trainer.data.records.record import Record
from lwm_trainer.data.records.shards import FilePart, cut_shards, single_shard
from lwm_trainer.data.records.source_files import list_record_files
from lwm_trainer.storage.listing import Entry


@settings(deadline=None)
@given(
    words=st.lists(st.text(alphabet="ab\u00fc", max_size=30), min_size=1, max_size=40),
    most=st.integers(min_value=20, max_value=200),
    block=st.integers(min_value=1, max_value=500),
)
def test_shards_hold_every_line_once_with_its_number(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], most: int, block: int
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    lines = [json.dumps({"text": word}) if word else "" for word in words]
    (folder / "a.jsonl").write_text("\n".join(lines))
    (folder / "b.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "c.txt").write_text("c")
    listing = list_record_files(str(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_shards, "_BLOCK", block)
        dealt = cut_shards(listing, most)
    assert dealt == cut_shards(listing, most), "however much is read at once"
    result = [record for shard in dealt for record in read_records(listing, shard)]
    assert result == list(read_records(listing, single_shard(listing)))
    expected = [(number, word) for number, word in enumerate(words, start=1) if word]
    assert [(each.line, each.fields["text"]) for each in result if isinstance(each, Record)] == [*expected, *expected, (1, "c")]
    longest = max(len(line.encode()) for line in lines) + 1
    assert all(sum(part.size for part in shard) < most + longest for shard in dealt if len(shard) > 1 or shard[0].file.size > most)
    assert sum(part.size for shard in dealt for part in shard) == sum(entry.size for entry in listing.entries)


@settings(deadline=None, max_examples=30)
@given(words=st.lists(st.text(alphabet="ab\u00fc", max_size=30), min_size=1, max_size=40), most=st.integers(min_value=20, max_value=200))
def test_compressed_lines_are_cut_as_the_lines_that_they_are(tmp_path_factory: pytest.TempPathFactory, words: list[str], most: int) -> None:
    plain, packed = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("packed")
    content = "\n".join(json.dumps({"text": word}) if word else "" for word in words).encode()
    (plain / "a.jsonl").write_bytes(content)
    (packed / "a.jsonl.gz").write_bytes(gzip.compress(content[:70]) + gzip.compress(content[70:]))

    def lines(folder: Path, *, whole: bool = False) -> list[list[tuple[int, object]]]:
        listing = list_record_files(str(folder))
        shards = [single_shard(listing)] if whole else cut_shards(listing, most)
        return [[(each.line, each.fields) for each in read_records(listing, shard) if isinstance(each, Record)] for shard in shards]

    assert lines(packed, whole=True) == lines(plain, whole=True)
    if len(content) > most:
        assert lines(packed) == lines(plain)


def test_the_work_of_gathering_parts_grows_with_their_number_and_not_with_its_square() -> None:
    looks = 0

    class Counted(FilePart):
        __slots__ = ()

        def __getattribute__(self, name: str) -> Any:
            nonlocal looks
            looks += name == "size"
            return object.__getattribute__(self, name)

    parts = [Counted(Entry(f"{number}.txt", 1, ""), 0, 1, 1, 1) for number in range(2000)]
    assert [len(shard) for shard in record_shards._gather(iter(parts), 1000)] == [1000, 1000]
    assert looks <= 3 * len(parts)
