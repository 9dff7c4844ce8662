"""What is encoded at once is bounded by bytes of source, whatever records hold."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lwm_trainer.data.encoding import encode_records as encoding
from lwm_trainer.data.encoding.encode_records import SkippedRecords, encode_records
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.records.reader import read_records
from lwm_trainer.data.records.record import BadRecordError, Record
from lwm_trainer.data.records.shards import single_shard
from lwm_trainer.data.records.source_files import list_record_files

LETTERS = "x" * 3000


@pytest.mark.parametrize(
    "record",
    [
        {"text": LETTERS},
        {"messages": [{"role": "user", "content": LETTERS}, {"role": "assistant", "content": "yes"}]},
        {"vision": [7] * 1500},
        {"text": "short", "nobody": {"asks": [{"for": LETTERS}]}},
    ],
    ids=["a text", "a chat", "vision codes", "a field that is not asked for"],
)
def test_the_bytes_of_records_that_are_encoded_at_once_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: dict[str, Any]
) -> None:
    monkeypatch.setattr(encoding, "_BATCH_SIZE", 10_000)
    line = json.dumps(record) + "\n"
    (tmp_path / "a.jsonl").write_text(line * 50)
    listing = list_record_files(str(tmp_path))
    sizes: list[int] = []

    def encode(records: Sequence[Record]) -> list[list[Example] | BadRecordError]:
        sizes.append(len(records) * len(line))
        return [[Example(np.zeros(1, np.int32), None, None)] for _ in records]

    encoded = list(encode_records(read_records(listing, single_shard(listing)), encode, SkippedRecords("fail")))
    assert len(encoded) == 50
    assert max(sizes) < 10_000 + 2 * len(line)
