"""The parts of the benchmark of conversions that need no clock."""

from pathlib import Path

import pytest

from benchmarks.model import disk
from benchmarks.model.conversion import CPU, EXPORT, IMPORT, PEER, PLACE, READ, ROUNDS, WRITE, rows

GB = 10**9
CLOCK = {READ: 1.0, WRITE: 4.0, PEER: 2.0, PLACE: 4.0, IMPORT: 18.0, EXPORT: 12.0}
"""Seconds of a file of 2 GB."""
TAKEN = CLOCK | {CPU + name: seconds / 2 for name, seconds in CLOCK.items()}


def test_a_conversion_stands_beside_a_copy_of_what_it_reads_and_writes_and_reading_beside_reading() -> None:
    read, write, place, imported, exported = rows([TAKEN] * ROUNDS, 2 * GB, 4 * GB, same=True)
    assert [row.value for row in (read, write, place)] == [2.0, 0.5, 0.5]
    assert (read.percent_of_limit, write.percent_of_limit) == (None, None)
    assert (place.percent_of_limit, place.ratio) == (25.0, 0.5)
    assert imported.percent_of_limit == pytest.approx(100 * (1 + 8) / 18)  # 2 GB read, 4 GB written
    assert exported.note.startswith("6 s of CPU")
    assert exported.percent_of_limit == pytest.approx(100 * (2 + 4) / 12)  # 4 GB read, 2 GB written


def test_a_conversion_that_loses_a_bit_counts_for_nothing() -> None:
    (row,) = rows([TAKEN] * ROUNDS, 2 * GB, 4 * GB, same=False)
    assert row.value is None
    assert row.note.startswith("VOID")


def test_a_file_is_written_whole_and_stays_what_it_was_when_it_is_forgotten(tmp_path: Path) -> None:
    count = 2 * disk.BLOCK + 5
    file = tmp_path / "inner" / "file"
    file.parent.mkdir()
    disk.write(file, count)
    (tmp_path / "small").write_bytes(b"12345")
    assert (disk.size(file), disk.size(tmp_path)) == (count, count + 5)
    before = file.read_bytes()
    disk.forget(tmp_path)
    disk.read(tmp_path)
    assert file.read_bytes() == before
    assert before[:100] == before[disk.BLOCK : disk.BLOCK + 100]
