"""One preparation worker. Every worker encodes its share of the shards; worker 0 also plans, reports, and joins them to a store."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from lwm_trainer.config import PROGRESS_SECONDS, PrepareConfig, Prepared
from lwm_trainer.data.documents.in_memory import require_documents
from lwm_trainer.data.documents.store import TokenStore
from lwm_trainer.data.documents.store_schema import Counts, counts_file, shard_files
from lwm_trainer.data.encoding.encoder import encoder
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataCorruptError, DataError
from lwm_trainer.data.records.shards import Shard
from lwm_trainer.data.records.source_files import list_record_files
from lwm_trainer.preparation.location import store_folder, store_recipe
from lwm_trainer.preparation.preparation_report import PreparationReport
from lwm_trainer.preparation.shard import write_shard
from lwm_trainer.preparation.store_metadata import is_complete, read_plan, write_index, write_plan, write_prepared
from lwm_trainer.questions.records import QuestionRecords
from lwm_trainer.storage.errors import FileChangedError
from lwm_trainer.storage.folder import Folder, folder
from lwm_trainer.storage.listing import Listing

_PARALLEL_READS = 8
_LIST_SECONDS = 60.0
"""Seconds between two checks that the source has not changed."""


def prepare(config: PrepareConfig, worker: int, report: PreparationReport, *, poll_seconds: float = 2.0) -> Prepared | None:
    """Prepare this worker's shards of a data set.

    Returns: the store. Worker 0 returns it once the store is complete; other workers return None unless it was complete already.

    Raises DataError for what a retry cannot mend, StorageDeniedError, StorageUnavailableError.
    """
    tokenizer = Tokenizer.load(config.tokenizer, config.vocab_size)
    encode = encoder(config.dataset, tokenizer, config.vision_vocab_size, config.seed)
    listing, media = list_record_files(config.dataset.uri, media=config.dataset.media is not None), None
    if config.dataset.media is not None:
        try:
            from lwm_trainer.parallel import devices
            from lwm_trainer.vision.media_records import MediaRecords  # both bring JAX, which no other data set needs
        except ModuleNotFoundError as error:
            fix = "pip install 'lwm-operator[vision]', or use the trainer's image"
            raise DataError(f"datasets[{config.dataset.name}].media: {error.name} is not installed: {fix}") from error

        if config.host is not None:
            devices.prepare(config.host, 0)
            devices.check(config.host)
        media = MediaRecords(config.dataset, config.dataset.media, listing, on_accelerator=config.host is not None)
        encode = media.encoder(encode, report.frames_encoded)
    settings = config.dataset.qa
    questions = None if settings is None else QuestionRecords(config.dataset, settings, tokenizer)
    recipe = store_recipe(config, tokenizer, listing, None if media is None else media.identity)
    files = folder(store_folder(config.root, recipe))
    if is_complete(files):
        return _open_existing(config, files, listing, report)
    progress = _SharedProgress(config, files, listing, report, poll_seconds)
    shards = progress.plan(worker)
    if shards is None:
        return _open_existing(config, files, listing, report)
    report.planned(len(shards), sum(part.size for shard in shards for part in shard), progress.complete_shards(len(shards)))

    def report_counts(counts: Counts) -> None:
        report.current(counts)
        if worker == 0 and progress.seconds_since_check > PROGRESS_SECONDS:
            report.done(progress.complete_shards(len(shards)), current=counts)

    damaged = progress.damaged_shards(len(shards))
    for number in range(worker, len(shards), config.workers):
        progress.require_same_listing()
        # Looked at again: workers of another training may prepare the same store.
        if number in damaged or progress.shard_counts(number) is None:
            write_shard(files, number, listing, shards[number], config.dataset, encode, report_counts, questions)
        if (counts := progress.shard_counts(number)) is not None:
            report.done({number: counts})
    return progress.join(shards, recipe) if worker == 0 else None


class _SharedProgress:
    """What all workers have done of a store, read from its files."""

    def __init__(self, config: PrepareConfig, files: Folder, listing: Listing, report: PreparationReport, poll_seconds: float) -> None:
        self._config, self._files, self._listing = config, files, listing
        self._report, self._poll_seconds = report, poll_seconds
        self._done: dict[int, Counts] = {}
        self._listed_at = self._checked_at = time.monotonic()

    def plan(self, worker: int) -> list[Shard] | None:
        """The plan, which worker 0 makes and the others wait for; None when the store was completed meanwhile."""
        while (shards := read_plan(self._files)) is None:
            if worker == 0:
                return write_plan(self._files, self._listing, media=self._config.dataset.media is not None)
            if is_complete(self._files):
                return None
            self._wait()
        return shards

    @property
    def seconds_since_check(self) -> float:
        """Seconds since all shards were looked at."""
        return time.monotonic() - self._checked_at

    def complete_shards(self, shards: int) -> dict[int, Counts]:
        """The counts of the shards that are complete, of `shards` in all. Raises what `shard_counts` raises."""
        names = self._files.names() if len(self._done) < shards else set()
        new = [number for number in range(shards) if number not in self._done and names.issuperset(shard_files(number))]
        with ThreadPoolExecutor(_PARALLEL_READS) as pool:
            list(pool.map(self.shard_counts, new))
        self._checked_at = time.monotonic()
        return dict(self._done)

    def damaged_shards(self, shards: int) -> set[int]:
        """The shards that were complete, and of which somebody has deleted a file since."""
        names = self._files.names()
        return {number for number in range(shards) if counts_file(number) in names and not names.issuperset(shard_files(number))}

    def shard_counts(self, number: int) -> Counts | None:
        """The counts of a shard; None while it is not complete.

        Raises DataCorruptError when it skipped a record and the policy of this data set is to fail.
        """
        if number not in self._done and (content := self._files.read(counts_file(number))) is not None:
            self._done[number] = self._check_skipped(Counts.from_json(content))
        return self._done.get(number)

    def _check_skipped(self, counts: Counts) -> Counts:
        first_skipped = _absolute(counts.first_skipped, self._listing.root)
        if counts.skipped and self._config.dataset.on_bad_record == "fail":
            raise DataCorruptError(first_skipped)
        return replace(counts, first_skipped=first_skipped)

    def join(self, shards: list[Shard], recipe: dict[str, Any]) -> Prepared:
        """Wait for the other workers and join the shards. Kubernetes restarts a worker that dies, and it continues with what is missing."""
        while len(done := self.complete_shards(len(shards))) < len(shards):
            self._report.done(done)
            self._wait()
        self._report.done(done)
        counts = [done[number] for number in range(len(shards))]
        total = sum(counts, Counts())
        self.require_same_listing(max_age=0.0)  # a file that was added meanwhile would be left out without a word
        require_documents(self._config.dataset, total.documents, total.skipped, total.first_skipped)
        write_index(self._files, len(shards))
        prepared = write_prepared(self._files, counts, recipe, self._config)
        self._files.tidy()
        self._report.ended(prepared)
        return prepared

    def _wait(self) -> None:
        time.sleep(self._poll_seconds)
        self.require_same_listing()

    def require_same_listing(self, max_age: float | None = None) -> None:
        """Raise FileChangedError when the source has changed since this worker listed it.

        Nothing is listed within `max_age` seconds (by default a minute) of the last look. Workers that listed different files work in
        different folders, and would wait for each other forever: better before the hours of their own shards than after.
        """
        if time.monotonic() - self._listed_at < (_LIST_SECONDS if max_age is None else max_age):
            return
        if list_record_files(self._config.dataset.uri, media=self._config.dataset.media is not None) != self._listing:
            raise FileChangedError(self._config.dataset.uri)
        self._listed_at = time.monotonic()


def _open_existing(config: PrepareConfig, files: Folder, listing: Listing, report: PreparationReport) -> Prepared:
    """Use a store that was completed before. Raises DataCorruptError when it skipped a record and the policy here is to fail."""
    store = TokenStore(files, config.dataset.uri)
    first_skipped = _absolute(store.recipe["firstSkipped"], listing.root)
    if store.prepared.skipped and config.dataset.on_bad_record == "fail":
        raise DataCorruptError(first_skipped)
    report.ended(store.prepared, first_skipped)
    return store.prepared


def _absolute(first_skipped: str, root: str) -> str:
    """The message with its file under the root of the source."""
    return f"{root}/{first_skipped}" if first_skipped else ""
