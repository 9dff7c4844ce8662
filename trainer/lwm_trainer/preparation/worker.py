"""What one worker does: worker 0 plans, joins and reports; all encode shards."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lwm_trainer.config import PROGRESS_SECONDS, PrepareConfig, Prepared
from lwm_trainer.data.documents.in_memory import require_documents
from lwm_trainer.data.documents.store import Store
from lwm_trainer.data.documents.store_schema import PREPARED, Counts, counts_file
from lwm_trainer.data.encoding.encoder import encoder
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records.shards import Shard, sources
from lwm_trainer.preparation.location import folder_of, recipe
from lwm_trainer.preparation.preparation_report import Report
from lwm_trainer.preparation.shard import write_shard
from lwm_trainer.preparation.shard_plan import make_plan, read_plan
from lwm_trainer.preparation.store_index import write_index, write_prepared
from lwm_trainer.storage.errors import DataCorruptError, changed
from lwm_trainer.storage.folder import Folder, folder
from lwm_trainer.storage.listing import Listing

_PARALLEL_READS = 8
_LIST_SECONDS = 60.0
"""Between two looks whether the source is still what it was, while we wait for others."""


def prepare(config: PrepareConfig, worker: int, report: Report, *, poll_seconds: float = 2.0) -> Prepared | None:
    """Worker 0 returns when all is done, with the store; others when their shards are, with None unless the store is whole.

    Raises DataError for what no other attempt would mend, StorageDeniedError, StorageUnavailableError.
    """
    tokenizer = Tokenizer.load(config.tokenizer, config.vocab_size)
    encode = encoder(config.dataset, tokenizer, config.vision_vocab_size, config.seed)
    listing = sources(config.dataset.uri)
    made_by = recipe(config, tokenizer, listing)
    files = folder(folder_of(config.root, made_by))
    if PREPARED in files.names():
        return _found(config, files, listing, report)
    work = _Work(config, files, listing, report, poll_seconds)
    shards = work.plan(worker)
    if shards is None:
        return _found(config, files, listing, report)
    report.planned(len(shards), sum(part.size for shard in shards for part in shard), work.look(len(shards)))

    def tell(counts: Counts) -> None:
        report.current(counts)
        if worker == 0 and work.unseen_seconds > PROGRESS_SECONDS:
            report.done(work.look(len(shards)), current=counts)

    for number in range(worker, len(shards), config.workers):
        if work.whole(number) is None:  # asked once more: workers of another training may be at the same
            write_shard(files, number, listing, shards[number], config.dataset, encode, tell)
        if (counts := work.whole(number)) is not None:
            report.done({number: counts})
    return work.join(shards, made_by) if worker == 0 else None


class _Work:
    def __init__(self, config: PrepareConfig, files: Folder, listing: Listing, report: Report, poll_seconds: float) -> None:
        self._config, self._files, self._listing = config, files, listing
        self._report, self._poll_seconds = report, poll_seconds
        self._done: dict[int, Counts] = {}
        self._listed = self._looked = time.monotonic()

    def plan(self, worker: int) -> list[Shard] | None:
        """Of the plan, worker 0 makes it and the others wait for it. None: meanwhile, all is done."""
        while (found := read_plan(self._files)) is None:
            if worker == 0:
                return make_plan(self._files, self._listing)
            if PREPARED in self._files.names():
                return None
            self._wait()
        return found

    @property
    def unseen_seconds(self) -> float:
        """Since all shards were looked at."""
        return time.monotonic() - self._looked

    def look(self, shards: int) -> dict[int, Counts]:
        """Those of so many shards that are whole. Errors as `whole`."""
        names = self._files.names() if len(self._done) < shards else set()
        new = [number for number in range(shards) if number not in self._done and counts_file(number) in names]
        with ThreadPoolExecutor(_PARALLEL_READS) as pool:
            list(pool.map(self.whole, new))
        self._looked = time.monotonic()
        return dict(self._done)

    def whole(self, number: int) -> Counts | None:
        """None: the shard is not. Raises DataCorruptError where it lacks a record that this data set is not to skip."""
        if number not in self._done and (content := self._files.read(counts_file(number))) is not None:
            self._done[number] = self._checked(Counts.read(content))
        return self._done.get(number)

    def _checked(self, counts: Counts) -> Counts:
        found = _placed(counts.first_skipped, self._listing.root)
        if counts.skipped and self._config.dataset.on_bad_record == "fail":
            raise DataCorruptError(found)
        return Counts(counts.documents, counts.tokens, counts.size, counts.skipped, found)

    def join(self, shards: list[Shard], made_by: dict[str, Any]) -> Prepared:
        """Waits for the others: a worker that died is started anew by Kubernetes and goes on with what is missing of its shards."""
        while len(done := self.look(len(shards))) < len(shards):
            self._report.done(done)
            self._wait()
        self._report.done(done)
        counts = [done[number] for number in range(len(shards))]
        total = sum(counts, Counts())
        require_documents(self._config.dataset, total.documents, total.skipped, total.first_skipped)
        write_index(self._files, len(shards))
        prepared = write_prepared(self._files, counts, made_by, self._config)
        self._files.tidy()
        self._report.ended(prepared)
        return prepared

    def _wait(self) -> None:
        time.sleep(self._poll_seconds)
        if time.monotonic() - self._listed < _LIST_SECONDS:
            return
        # Workers that saw another source work in another folder, and would wait for each other for ever.
        if sources(self._config.dataset.uri) != self._listing:
            raise changed(self._config.dataset.uri)
        self._listed = time.monotonic()


def _found(config: PrepareConfig, files: Folder, listing: Listing, report: Report) -> Prepared:
    """Somebody has prepared the same."""
    store = Store(files, config.dataset.uri)
    first = _placed(store.recipe["firstSkipped"], listing.root)
    if store.prepared.skipped and config.dataset.on_bad_record == "fail":
        raise DataCorruptError(first)
    report.ended(store.prepared, first)
    return store.prepared


def _placed(skipped: str, root: str) -> str:
    return f"{root}/{skipped}" if skipped else ""
