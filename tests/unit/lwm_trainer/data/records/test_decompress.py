"""Compressed files are read whole, or named as damaged."""

import gzip
import io
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.records.decompress import decompress, lines_from

TEXT = b"one\ntwo\n\nthree" * 100


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd}


@pytest.mark.parametrize("compression", PACK)
def test_all_members_are_read(compression: str) -> None:
    packed = PACK[compression](TEXT) + PACK[compression](b"more")
    assert b"".join(decompress("a", io.BytesIO(packed), compression)) == TEXT + b"more"


@pytest.mark.parametrize("compression", PACK)
@pytest.mark.parametrize("damage", ["cut", "no such file"])
def test_a_damaged_file_is_named(compression: str, damage: str) -> None:
    packed = PACK[compression](TEXT)[:-9] if damage == "cut" else b"plain text, and no more"
    with pytest.raises(DataCorruptError, match=rf"gs://b/a: not a complete {compression} file \(.*\): compress or copy it again"):
        list(decompress("gs://b/a", io.BytesIO(packed), compression))


@pytest.mark.parametrize("compression", PACK)
def test_a_file_of_no_bytes_is_a_failed_copy_and_one_that_holds_nothing_is_read(compression: str) -> None:
    assert list(decompress("a", io.BytesIO(PACK[compression](b"")), compression)) == []
    with pytest.raises(
        DataCorruptError, match=f"^gs://b/a: is empty, and even of nothing a {compression} file has bytes: compress or copy it again"
    ):
        list(decompress("gs://b/a", io.BytesIO(), compression))


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"", b"a", b"bb\n", b"\n", b"\n\nc"])), st.data())
def test_lines_are_those_of_the_whole_from_any_line_on(blocks: list[bytes], data: st.DataObject) -> None:
    lines = io.BytesIO(b"".join(blocks)).readlines()
    first = data.draw(st.integers(0, len(lines)))
    assert list(lines_from(iter(blocks), len(b"".join(lines[:first])))) == lines[first:]
