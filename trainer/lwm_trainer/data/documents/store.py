"""A prepared data set: documents in memory-mapped Arrow files, with an index of all their lengths."""

import json
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lwm_trainer.config import Prepared
from lwm_trainer.data.documents.span import Span, make_span
from lwm_trainer.data.documents.store_schema import EPOCHS, INDEX, PREPARED, shard_file
from lwm_trainer.data.drawn_epochs import in_epoch
from lwm_trainer.data.errors import DataCorruptError, DataMissingError
from lwm_trainer.data.records.record import record_location
from lwm_trainer.storage.folder import Folder, folder
from lwm_trainer.storage.listing import file_uri

_MAX_OPEN_SHARDS = 256
"""Shards mapped at once: each holds a file descriptor."""


class TokenStore:
    """A `DocumentSource` that reads a prepared data set; safe to read from several threads.

    A shard in a bucket is copied to a temporary folder of this machine when one of its documents is first read, and stays there until the
    process ends. A host needs disk space for the shards that it reads, at most for all of them.
    """

    def __init__(self, files: Folder, source_uri: str) -> None:
        """Open the store in `files`; `source_uri` is the data set that it was made of, for the names of documents.

        Raises DataMissingError when the data set is not prepared or a file of it is gone, and DataCorruptError when its files contradict
        each other.
        """
        self._files, self._source_uri = files, source_uri
        content, names = files.read(PREPARED), files.names()
        if content is None:
            raise DataMissingError(f"{files.uri}: the token store is missing or incomplete: prepare it (lwm data prepare)")
        self.recipe: dict[str, Any] = json.loads(content)
        """The content of prepared.json: what the store was made of."""
        self.prepared = Prepared(**self.recipe["prepared"], uri=files.uri)
        self._require([INDEX], names)
        self._cache = Path(tempfile.mkdtemp(prefix="lwm-store-"))
        weakref.finalize(self, shutil.rmtree, self._cache, ignore_errors=True)
        self._lock = threading.Lock()
        self._shard_locks: dict[int, threading.Lock] = {}
        self._open_shards: OrderedDict[int, _Shard] = OrderedDict()
        index = read_table(files.local(INDEX, self._cache))
        lengths = index["length"].to_numpy()
        self.targets: NDArray[np.int64] = index["targets"].to_numpy()
        self.epochs: NDArray[np.uint8] | None = index[EPOCHS.name].to_numpy() if EPOCHS.name in index.column_names else None
        in_first = in_epoch(self.epochs, 0, len(lengths))
        self.offsets: NDArray[np.int64] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self._shard_numbers, self._first_documents = np.unique(index["shard"].to_numpy(), return_index=True)
        self._require([shard_file(number) for number in self._shard_numbers], names)
        self._shard_begins = self.offsets[self._first_documents]
        if (int(in_first.sum()), int(lengths[in_first].sum())) != (self.prepared.documents, self.prepared.tokens):
            raise DataCorruptError(f"{files.uri}: {INDEX} and {PREPARED} are not of one data set: remove the folder and prepare it anew")

    @classmethod
    def open(cls, uri: str, source_uri: str) -> "TokenStore":
        """Open the store at `gs://…` or an absolute path."""
        return cls(folder(uri), source_uri)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def name(self, document: int) -> str:
        """The file and line that the document came from."""
        index = int(np.searchsorted(self._first_documents, document, "right")) - 1
        file, line = self._shard(index).location(document - int(self._first_documents[index]))
        return record_location(file_uri(self._source_uri, file), line)

    def read(self, begin: int, end: int) -> Span:
        """Tokens `begin` to `end` (exclusive) in flat coordinates."""
        spans = []
        index = int(np.searchsorted(self._shard_begins, begin, "right")) - 1
        while True:
            shard, shard_begin = self._shard(index), int(self._shard_begins[index])
            stop = min(end, shard_begin + len(shard.tokens))
            window = slice(begin - shard_begin, stop - shard_begin)
            spans.append(make_span(shard.tokens[window], shard.loss_mask(window), shard.vision_mask(window), begin, self.offsets))
            begin, index = stop, index + 1
            if begin >= end:
                break
        if len(spans) == 1:
            return spans[0]
        return Span(*(np.concatenate(arrays) for arrays in zip(*spans, strict=True)))

    def _require(self, needed: list[str], names: set[str]) -> None:
        missing = [name for name in needed if name not in names]
        if missing:
            rest = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise DataMissingError(f"{self._files.uri}: the token store lacks {missing[0]}{rest}: prepare it again (lwm data prepare)")

    def _shard(self, index: int) -> "_Shard":
        with self._lock:
            if (shard := self._open_shards.get(index)) is not None:
                self._open_shards.move_to_end(index)
                return shard
            shard_lock = self._shard_locks.setdefault(index, threading.Lock())
        with shard_lock:  # other shards are read or copied meanwhile
            if (shard := self._open_shards.get(index)) is not None:
                return shard
            number = int(self._shard_numbers[index])
            shard = _Shard(read_table(self._local_path(number)))
            end = self._shard_begins[index + 1] if index + 1 < len(self._shard_begins) else self.offsets[-1]
            if len(shard.tokens) != end - self._shard_begins[index]:
                raise DataCorruptError(
                    f"{self._files.uri}/{shard_file(number)}: token count differs from {INDEX}: remove the folder and prepare"
                    " the data set anew"
                )
        with self._lock:
            self._open_shards[index] = shard
            if len(self._open_shards) > _MAX_OPEN_SHARDS:
                self._open_shards.popitem(last=False)
        return shard

    def _local_path(self, number: int) -> Path:
        name = shard_file(number)
        return self._cache / name if (self._cache / name).exists() else self._files.local(name, self._cache)


@dataclass(frozen=True)
class _Shard:
    """One shard file: a row per document, of the columns of `store_schema.SHARD`."""

    table: pa.Table

    @cached_property
    def tokens(self) -> NDArray[np.int32]:
        return self._values("tokens").to_numpy(zero_copy_only=True)  # type: ignore[no-any-return]

    def loss_mask(self, window: slice) -> NDArray[np.bool_] | None:
        return self._mask("loss", window)

    def vision_mask(self, window: slice) -> NDArray[np.bool_] | None:
        return self._mask("vision", window)

    def location(self, row: int) -> tuple[str, int]:
        """File, relative to the source, and line of a document."""
        return self.table["file"][row].as_py(), self.table["line"][row].as_py()

    def _values(self, column: str) -> Any:
        """The values of a list column, of all rows, as one flat array."""
        (chunk,) = self.table[column].chunks
        return chunk.values

    def _mask(self, column: str, window: slice) -> NDArray[np.bool_] | None:
        if self.table[column].null_count:
            return None
        return self._values(column)[window].to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def read_table(path: Path) -> pa.Table:
    """Memory-map an Arrow file. Raises DataCorruptError."""
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowException, OSError) as error:
        raise DataCorruptError(f"{path}: not a complete Arrow file ({error}): remove the folder and prepare the data set anew") from error
