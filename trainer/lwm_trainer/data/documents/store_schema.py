"""The files of a token store: Arrow, the format of Hugging Face's data sets, so that many a tool reads them."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

FORMAT = 1
"""Part of what a store is named by: another number wherever other bytes are written for the same source."""

PLAN, INDEX, PREPARED = "plan.json", "index.arrow", "prepared.json"
"""The shards and the parts of files that each is made of; a row per document; written last: the store is whole."""

SHARD = pa.schema(
    {
        "tokens": pa.large_list(pa.int32()),
        "loss": pa.large_list(pa.bool_()),  # all null: all but each document's first token count
        "vision": pa.large_list(pa.bool_()),  # all null: no token is of the vision vocabulary
        "file": pa.dictionary(pa.int32(), pa.string()),  # relative to the source, so that any mount of it makes the same bytes
        "line": pa.int64(),
    }
)
"""A row per document; one record batch, so that the tokens of a shard are one flat array."""

LENGTHS = pa.schema({"length": pa.int64(), "targets": pa.int64(), "vision": pa.int64()})
"""A row per document of a shard: tokens, those that count as targets, those of the vision vocabulary."""

DOCUMENTS = pa.schema([*LENGTHS, pa.field("shard", pa.int32()), pa.field("place", pa.int32())])
"""A row per document of all: where it lies."""


def shard_file(number: int) -> str:
    return f"shard-{number:05}.arrow"


def lengths_file(number: int) -> str:
    return f"shard-{number:05}.lengths.arrow"


def counts_file(number: int) -> str:
    """Written last: the shard is whole."""
    return f"shard-{number:05}.json"


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one shard, or of all."""

    documents: int = 0
    tokens: int = 0
    size: int = 0
    """Bytes of source."""
    skipped: int = 0
    first_skipped: str = ""
    """Why the first skipped record made no example; its file relative to the source."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.documents + other.documents,
            self.tokens + other.tokens,
            self.size + other.size,
            self.skipped + other.skipped,
            self.first_skipped or other.first_skipped,
        )

    @classmethod
    def read(cls, content: bytes) -> "Counts":
        return cls(**json.loads(content))

    def write(self) -> bytes:
        return to_json(asdict(self))


def to_json(value: Any) -> bytes:
    """The same bytes whoever writes it."""
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
