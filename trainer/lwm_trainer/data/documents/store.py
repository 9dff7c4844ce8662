"""A prepared data set: documents in memory-mapped Arrow files, found by an index that has all their lengths."""

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
from lwm_trainer.data.documents.span import Span, span
from lwm_trainer.data.documents.store_schema import INDEX, PREPARED, shard_file
from lwm_trainer.data.records.reader import place
from lwm_trainer.storage.errors import DataCorruptError, DataMissingError
from lwm_trainer.storage.folder import Folder, folder
from lwm_trainer.storage.listing import file_of

_OPEN_SHARDS = 256
"""Mapped at once: each holds a file descriptor."""


class Store:
    """Document d has the places `offsets[d]` to `offsets[d + 1]` of the data set. Threads may read at once.

    Shards in a bucket are copied whole into a temporary folder of this machine when one of their documents is first read, and stay until
    the process ends: a host needs room for the shards that it reads, at most for all.
    """

    def __init__(self, files: Folder, source: str) -> None:
        """Raises DataMissingError when the data set is not prepared, DataCorruptError when files do not fit together."""
        self._files, self._source = files, source
        content = files.read(PREPARED)
        if content is None:
            raise DataMissingError(f"{files.uri}: no prepared data set is there, or not yet all of it: prepare it (lwm data prepare)")
        self.recipe: dict[str, Any] = json.loads(content)
        """What it was made of and by."""
        self.prepared = Prepared(**self.recipe["prepared"], uri=files.uri)
        self._cache = Path(tempfile.mkdtemp(prefix="lwm-store-"))
        weakref.finalize(self, shutil.rmtree, self._cache, ignore_errors=True)
        self._lock = threading.Lock()
        self._locks: dict[int, threading.Lock] = {}
        self._open: OrderedDict[int, _Shard] = OrderedDict()
        index = read_table(files.local(INDEX, self._cache))
        lengths = index["length"].to_numpy()
        self.offsets: NDArray[np.int64] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self._shards, self._firsts = np.unique(index["shard"].to_numpy(), return_index=True)
        self._begins = self.offsets[self._firsts]
        if (len(self), int(self.offsets[-1])) != (self.prepared.documents, self.prepared.tokens):
            raise DataCorruptError(f"{files.uri}: {INDEX} and {PREPARED} are not of one data set: remove the folder and prepare it anew")

    @classmethod
    def open(cls, uri: str, source: str) -> "Store":
        """The store at `gs://…` or an absolute path; `source` is the uri of the data set that it was made of."""
        return cls(folder(uri), source)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def name(self, document: int) -> str:
        """The file and line that the document came from."""
        at = int(np.searchsorted(self._firsts, document, "right")) - 1
        file, line = self._shard(at).place(document - int(self._firsts[at]))
        return place(file_of(self._source, file), line)

    def read(self, begin: int, end: int) -> Span:
        """Places `begin` to `end` (exclusive) of the data set."""
        spans = []
        at = int(np.searchsorted(self._begins, begin, "right")) - 1
        while True:
            shard, first = self._shard(at), int(self._begins[at])
            upto = min(end, first + len(shard.tokens))
            here = slice(begin - first, upto - first)
            spans.append(span(shard.tokens[here], shard.loss(here), shard.vision(here), begin, self.offsets))
            begin, at = upto, at + 1
            if begin >= end:
                break
        if len(spans) == 1:
            return spans[0]
        return Span(*(np.concatenate([getattr(each, name) for each in spans]) for name in ("tokens", "loss", "vision")))

    def _shard(self, at: int) -> "_Shard":
        with self._lock:
            if (found := self._open.get(at)) is not None:
                self._open.move_to_end(at)
                return found
            lock = self._locks.setdefault(at, threading.Lock())
        with lock:  # of this shard alone: others are read, or copied, meanwhile
            if (found := self._open.get(at)) is not None:
                return found
            found = _Shard(read_table(self._path(int(self._shards[at]))))
            end = self._begins[at + 1] if at + 1 < len(self._begins) else self.offsets[-1]
            if len(found.tokens) != end - self._begins[at]:
                raise DataCorruptError(
                    f"{self._files.uri}/{shard_file(int(self._shards[at]))}: is not what the index says: remove the folder, prepare anew"
                )
        with self._lock:
            self._open[at] = found
            if len(self._open) > _OPEN_SHARDS:
                self._open.popitem(last=False)
        return found

    def _path(self, number: int) -> Path:
        name = shard_file(number)
        return self._cache / name if (self._cache / name).exists() else self._files.local(name, self._cache)


@dataclass(frozen=True)
class _Shard:
    table: pa.Table

    @cached_property
    def tokens(self) -> NDArray[np.int32]:
        return self._flat("tokens").to_numpy(zero_copy_only=True)  # type: ignore[no-any-return]

    def loss(self, here: slice) -> NDArray[np.bool_] | None:
        return self._bits("loss", here)

    def vision(self, here: slice) -> NDArray[np.bool_] | None:
        return self._bits("vision", here)

    def place(self, row: int) -> tuple[str, int]:
        return self.table["file"][row].as_py(), self.table["line"][row].as_py()

    def _flat(self, name: str) -> Any:
        (chunk,) = self.table[name].chunks
        return chunk.values

    def _bits(self, name: str, here: slice) -> NDArray[np.bool_] | None:
        if self.table[name].null_count:
            return None
        return self._flat(name)[here].to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def read_table(path: Path) -> pa.Table:
    """A memory-mapped Arrow file. Raises DataCorruptError."""
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowException, OSError) as error:
        raise DataCorruptError(f"{path}: no whole Arrow file ({error}): remove the folder and prepare the data set anew") from error
