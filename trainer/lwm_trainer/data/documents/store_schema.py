"""The files of a token store. They are Arrow files, as Hugging Face's `datasets` writes them, so that many tools can read them."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

FORMAT = 2
"""Version of the files. It is part of a store's hash: raise it whenever the same source makes other bytes."""

PLAN, INDEX, PREPARED = "plan.json", "index.arrow", "prepared.json"
"""plan.json: the shards and the file parts of each. index.arrow: a row per document. prepared.json: written last, so that a store with it
is complete."""

SHARD = pa.schema(
    {
        "tokens": pa.large_list(pa.int32()),
        "loss": pa.large_list(pa.bool_()),  # the loss mask; all null: every token but each document's first counts
        "vision": pa.large_list(pa.bool_()),  # the vision mask; all null: no token belongs to the vision vocabulary
        "file": pa.dictionary(pa.int32(), pa.string()),  # relative to the source, so that the bytes do not depend on where it is mounted
        "line": pa.int64(),
    }
)
"""A row per document, in one record batch, so that the tokens of a shard are one flat array."""

LENGTHS = pa.schema({"length": pa.int64(), "targets": pa.int64(), "vision": pa.int64()})
"""A row per document of a shard: its tokens, those that count as targets, those of the vision vocabulary."""

EPOCHS = pa.field("epochs", pa.uint8())
"""The set of epochs in which each document is used; only where draws decide what a record becomes."""

PLACE = pa.schema({"shard": pa.int32(), "place": pa.int32()})
"""The index has a row per document of the store: that of its shard's lengths, its shard, and its row in the shard."""


def shard_file(number: int) -> str:
    """Name of the Arrow file of a shard."""
    return f"shard-{number:05}.arrow"


def lengths_file(number: int) -> str:
    """Name of the Arrow file with the document lengths of a shard."""
    return f"shard-{number:05}.lengths.arrow"


def counts_file(number: int) -> str:
    """Name of the JSON file with the counts of a shard. It is written last: a shard with it is complete."""
    return f"shard-{number:05}.json"


def shard_files(number: int) -> tuple[str, str, str]:
    """Names of all files of a shard, in the order in which they are written."""
    return shard_file(number), lengths_file(number), counts_file(number)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of one shard, or of all. The field names are those of the shard's JSON file."""

    documents: int = 0
    tokens: int = 0
    size: int = 0
    """Bytes of source."""
    skipped: int = 0
    """Records that made no example."""
    first_skipped: str = ""
    """Why the first skipped record made no example; its file is relative to the source."""
    questions: dict[str, int] = field(default_factory=dict)
    """Questions of kind qa: how many are kept, and how many each filter dropped."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.documents + other.documents,
            self.tokens + other.tokens,
            self.size + other.size,
            self.skipped + other.skipped,
            self.first_skipped or other.first_skipped,
            dict(sorted((Counter(self.questions) + Counter(other.questions)).items())),
        )

    @classmethod
    def from_json(cls, content: bytes) -> "Counts":
        return cls(**json.loads(content))

    def to_json(self) -> bytes:
        fields = asdict(self)
        return to_json(fields if self.questions else {name: value for name, value in fields.items() if name != "questions"})


def to_json(value: Any) -> bytes:
    """Serialize to JSON that is equal byte for byte, whichever worker writes it."""
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
