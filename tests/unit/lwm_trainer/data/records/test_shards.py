"""Shards hold every line of a data set exactly once."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm_trainer.data.records import shards as record_shards
from lwm_trainer.data.records.reader import read_records
from lwm_trainer.data.records.record import Record
from lwm_trainer.data.records.shards import cut_shards, list_record_files, single_shard


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
