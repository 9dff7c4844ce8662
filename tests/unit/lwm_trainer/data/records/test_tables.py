"""Parquet files, and data sets that Hugging Face's `datasets` saved to disk, as they lie on disk and in a bucket."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lwm_trainer.data.errors import DataCorruptError, DataError
from lwm_trainer.data.records import tables
from lwm_trainer.data.records.reader import read_records
from lwm_trainer.data.records.record import BadRecordError, Record
from lwm_trainer.data.records.shards import cut_shards, single_shard
from lwm_trainer.data.records.source_files import list_record_files
from lwm_trainer.storage.errors import FileMissingError
from support.fake_gcs import a_bucket

ROWS = [{"text": f"row {number}", "vision": [number, number + 1]} for number in range(200)]


def parquet(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=30)


def saved(folder: Path, files: int = 2) -> None:
    """As `save_to_disk` lays it out: Arrow streams of batches, and what it is in JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    each = len(ROWS) // files
    for number in range(files):
        table = pa.Table.from_pylist(ROWS[number * each : (number + 1) * each])
        with pa.OSFile(f"{folder}/data-{number:05}-of-{files:05}.arrow", "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=17)
    (folder / "state.json").write_text("{}")
    (folder / "dataset_info.json").write_text("{}")


def test_rows_of_parquet_count_on_over_row_groups(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet")
    listing = list_record_files(str(tmp_path))
    result = list(read_records(listing, single_shard(listing)))
    uri = f"{tmp_path}/a.parquet"
    assert result == [Record(uri, number, number, row) for number, row in enumerate(ROWS, start=1)]
    dealt = cut_shards(listing, 1)
    assert len(dealt) == 7
    assert [record for shard in dealt for record in read_records(listing, shard)] == result
    assert [(part.begin, part.end, part.first) for shard in cut_shards(listing, 2**20) for part in shard] == [(0, 7, 1)]


def test_a_saved_data_set_is_read_without_its_caches(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "cache-0123.arrow").write_bytes(b"of what was once computed")
    listing = list_record_files(str(tmp_path))
    result = list(read_records(listing, single_shard(listing)))
    assert [(each.line, each.fields) for each in result if isinstance(each, Record)] == [
        (number % 100 + 1, row) for number, row in enumerate(ROWS)
    ]
    assert {Path(each.uri).name for each in result} == {"data-00000-of-00002.arrow", "data-00001-of-00002.arrow"}


def test_one_of_several_splits_is_to_be_named(tmp_path: Path) -> None:
    for split in ("test", "train"):
        saved(tmp_path / split, files=1)
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(DataError, match=rf"holds the splits test, train: name one of them, as {tmp_path}/test"):
        list_record_files(str(tmp_path))
    assert len(list_record_files(f"{tmp_path}/train").entries) == 1


def test_a_bucket_s_tables_are_read_by_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet(tmp_path / "a.parquet")
    saved(tmp_path / "saved", files=1)
    objects = {f"d/{path.relative_to(tmp_path)}": path.read_bytes() for path in tmp_path.rglob("*.*")}
    with a_bucket(monkeypatch, objects):
        listing = list_record_files("gs://lwm/d")
        rows = [record for shard in cut_shards(listing, 1) for record in read_records(listing, shard)]
    assert [each.fields for each in rows if isinstance(each, Record)] == [*ROWS, *ROWS]


def test_tables_that_are_none_are_named(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content[:-100])
    listing = list_record_files(str(tmp_path))
    with pytest.raises(DataCorruptError, match=r"a\.parquet: not a parquet file \(Parquet magic bytes not found .*\): write it anew"):
        cut_shards(listing, 1)
    with pytest.raises(DataCorruptError, match=r"a\.parquet: not a complete parquet file"):
        list(read_records(listing, single_shard(listing)))
    saved(tmp_path / "saved", files=1)
    arrow = next((tmp_path / "saved").glob("*.arrow"))
    arrow.write_bytes(arrow.read_bytes()[:5000])
    listing = list_record_files(str(tmp_path / "saved"))
    with pytest.raises(
        DataCorruptError, match=r"data-00000-of-00001\.arrow: not a complete Arrow stream, as save_to_disk of .* \(.*\): write it anew"
    ):
        list(read_records(listing, single_shard(listing)))


def test_caches_alone_are_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "cache-1.arrow").write_bytes(b"")
    (tmp_path / "cache-2.arrow").write_bytes(b"")
    with pytest.raises(FileMissingError, match=r"no file ending in \.txt or \.jsonl or \.parquet or \.arrow"):
        list_record_files(str(tmp_path))


def test_a_row_of_a_wrong_encoding_is_named(tmp_path: Path) -> None:
    raw = pa.array([b"fine", b"ab\xff", b"too"], pa.binary())
    texts = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    table = pa.table({"text": texts})
    with pa.OSFile(f"{tmp_path}/data-00000-of-00001.arrow", "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    pq.write_table(table, tmp_path / "z.parquet")
    listing = list_record_files(str(tmp_path))
    result = list(read_records(listing, single_shard(listing)))
    for number, record in enumerate(result):
        assert isinstance(record, Record)
        if number % 3 == 1:
            with pytest.raises(BadRecordError, match="field 'text': byte 2 of a text is not UTF-8: write the row anew"):
                record.fields["text"]
        else:
            assert record.fields["text"] == ("fine", "", "too")[number % 3]


def test_only_columns_that_are_asked_for_become_python_objects(tmp_path: Path) -> None:
    beyond = pa.array([253402300800 * 10**6, 0], pa.timestamp("us"))  # the year 10000, which Python's datetime does not have
    pq.write_table(pa.table({"text": ["one", "two"], "when": beyond}), tmp_path / "a.parquet")
    listing = list_record_files(str(tmp_path))
    first, second = (record.fields for record in read_records(listing, single_shard(listing)) if isinstance(record, Record))
    assert (first["text"], second["text"], second["when"].year) == ("one", "two", 1970)
    assert (list(first), "when" in first) == (["text", "when"], True)
    with pytest.raises(BadRecordError, match="field 'when' cannot be read"):
        first["when"]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, suffix: str) -> None:
    table = pa.table([pa.array(["one"]), pa.array(["two"])], names=["text", "text"])
    path = tmp_path / f"data-00000-of-00001.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    listing = list_record_files(str(tmp_path))
    with pytest.raises(DataCorruptError, match=f"{suffix}: two columns have the name 'text': rename or remove one of them"):
        list(read_records(listing, single_shard(listing)))


def test_rows_of_books_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_BATCH_BYTES", 1000)
    pq.write_table(pa.table({"text": [chr(97 + number) * 400 for number in range(20)]}), tmp_path / "a.parquet", use_dictionary=False)
    with (tmp_path / "a.parquet").open("rb") as file:
        rows = list(tables.parquet_rows(file, "a", 0, 1))
    assert len(rows) == 20
    assert max(row._batch.num_rows for row in rows) <= 2
    assert all(400 <= row.size < 500 for row in rows)
