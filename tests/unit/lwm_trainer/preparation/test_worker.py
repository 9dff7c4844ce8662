"""A preparation: the same bytes whoever makes them, whoever dies on the way, and what it says of bad input."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lwm_trainer.config import ExitCode, Preparation, PrepareConfig, Prepared, TerminationMessage
from lwm_trainer.data.documents.in_memory import InMemoryDocuments, load_documents
from lwm_trainer.data.documents.store import TokenStore
from lwm_trainer.data.documents.store_schema import PREPARED
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataCorruptError, DataMissingError
from lwm_trainer.data.records import shards as record_shards
from lwm_trainer.data.records.source_files import list_record_files
from lwm_trainer.data.rows.loader import Batches
from lwm_trainer.preparation.preparation_report import PreparationReport
from lwm_trainer.preparation.worker import prepare
from lwm_trainer.storage.errors import FileChangedError
from lwm_trainer.storage.folder import Folder, folder
from support.builders import ALONE, a_run
from support.fake_gcs import a_bucket
from unit.lwm_trainer.data.encoding.test_tokenizer import content

LINES = [f"line {number} " + "word " * (number % 7) for number in range(60)]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_shards, "MIN_SHARD_BYTES", 400)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three files, of which the first is cut into shards."""
    created = tmp_path / "source"
    (created / "sub").mkdir(parents=True)
    (created / "a.jsonl").write_text("\n".join(json.dumps({"text": line}) for line in LINES))
    (created / "b.txt").write_text("the whole file\n")
    (created / "sub" / "c.jsonl").write_text('{"text": "last"}\n')
    (tmp_path / "tokenizer.json").write_bytes(content("<s>", "</s>"))
    return created


def config(source: object, root: object, **changes: Any) -> PrepareConfig:
    dataset = {"name": "books", "uri": str(source), **changes.pop("dataset", {})}
    tokenizer = changes.pop("tokenizer", None) or str(Path(str(source)).parent / "tokenizer.json")
    return PrepareConfig(
        **{"training": "t", "dataset": dataset, "tokenizer": tokenizer, "vocab_size": 258, "root": str(root), "workers": 1, **changes}
    )


def files_of(uri: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(uri).iterdir()}


def done(created: Prepared | None) -> Prepared:
    assert created is not None
    return created


def other_worker(prepare_config: PrepareConfig, worker: int) -> threading.Thread:
    return threading.Thread(target=prepare, args=(prepare_config, worker, PreparationReport()), kwargs={"poll_seconds": 0.01})


def in_memory(prepare_config: PrepareConfig) -> InMemoryDocuments:
    run = a_run(**(ALONE | {"datasets": [prepare_config.dataset], "tokenizer": prepare_config.tokenizer}))
    actual = load_documents(run, Tokenizer.load(prepare_config.tokenizer, 258))["books"]
    assert isinstance(actual, InMemoryDocuments)
    return actual


def same(store: TokenStore, documents: InMemoryDocuments) -> None:
    assert np.array_equal(store.offsets, documents.offsets)
    assert [store.name(number) for number in range(len(store))] == list(documents.names)
    total = int(store.offsets[-1])
    for begin, end in [(0, total), (5, 9), *zip(store.offsets[:-1].tolist(), store.offsets[1:].tolist(), strict=True)]:
        for actual, expected in zip(store.read(begin, end), documents.read(begin, end), strict=True):
            assert np.array_equal(actual, expected)


def test_a_store_holds_what_is_read_into_memory(source: Path, tmp_path: Path) -> None:
    prepare_config = config(source, tmp_path / "out")
    prepared = done(prepare(prepare_config, 0, PreparationReport()))
    store = TokenStore.open(prepared.uri, str(source))
    documents = in_memory(prepare_config)
    assert len(list(Path(prepared.uri).glob("shard-*.json"))) > 4
    assert (prepared.documents, prepared.tokens, prepared.skipped) == (62, len(documents.tokens), 0)
    same(store, documents)
    assert store.name(61) == f"{source}/sub/c.jsonl:1"
    assert store.name(60) == f"{source}/b.txt"


def test_every_field_s_loss_is_kept(source: Path, tmp_path: Path) -> None:
    (source / "a.jsonl").write_text('{"q": "a question", "a": "an answer"}\n' * 40)
    for name in ("b.txt", "sub/c.jsonl"):
        (source / name).unlink()
    prepare_config = config(source, tmp_path / "out", dataset={"fields": "[q],a"})
    store = TokenStore.open(done(prepare(prepare_config, 0, PreparationReport())).uri, str(source))
    same(store, in_memory(prepare_config))
    assert store.read(0, int(store.offsets[1])).loss_mask.tolist() == [False] * 11 + [True] * 10


def test_a_store_holds_what_each_epoch_draws_and_counts_the_first(source: Path, tmp_path: Path) -> None:
    lines = ["[q],a", "[a],q", "q,a"]
    (source / "a.jsonl").write_text("".join(json.dumps({"q": f"question {n}", "a": "yes", "own": lines}) + "\n" for n in range(40)))
    for name in ("b.txt", "sub/c.jsonl"):
        (source / name).unlink()
    prepare_config = config(source, tmp_path / "out", dataset={"fields_from_example": "own"})
    prepared = done(prepare(prepare_config, 0, PreparationReport()))
    store, documents = TokenStore.open(prepared.uri, str(source)), in_memory(prepare_config)
    same(store, documents)
    assert store.epochs is not None
    assert documents.epochs is not None
    assert store.epochs.tolist() == documents.epochs.tolist()
    first = (store.epochs & 1) > 0
    assert (prepared.documents, prepared.tokens) == (40, int(np.diff(store.offsets)[first].sum()))
    assert 80 < len(store) <= 120


@pytest.mark.parametrize("workers", [2, 3])
def test_several_workers_make_what_one_makes(source: Path, tmp_path: Path, workers: int) -> None:
    alone = done(prepare(config(source, tmp_path / "one"), 0, PreparationReport()))
    prepare_config = config(source, tmp_path / "many", workers=workers)
    threads = [
        threading.Thread(target=prepare, args=(prepare_config, worker, PreparationReport()), kwargs={"poll_seconds": 0.01})
        for worker in range(1, workers)
    ]
    for thread in threads:
        thread.start()
    together = done(prepare(prepare_config, 0, PreparationReport(), poll_seconds=0.01))
    for thread in threads:
        thread.join()
    assert files_of(together.uri) == files_of(alone.uri)
    assert Path(together.uri).name == Path(alone.uri).name


class Killed(BaseException):
    pass


@contextmanager
def death(monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> Iterator[list[str]]:
    """The process dies just before or just after its commit number `at`."""
    seen: list[str] = []
    kind = type(folder("/"))
    real = kind.new

    @contextmanager
    def new(self: Folder, name: str) -> Iterator[Path]:
        seen.append(name)
        dies = len(seen) == at + 1
        with real(self, name) as path:
            yield path
            if dies and not after:
                raise Killed
        if dies:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(kind, "new", new)
        yield seen


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_that_is_killed_at_any_point_is_made_up_for(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    with death(monkeypatch, -1, after=False) as seen:
        alone = files_of(done(prepare(config(source, tmp_path / "whole"), 0, PreparationReport())).uri)
    assert seen[0] == "plan.json"
    assert seen[1:4] == ["shard-00000.arrow", "shard-00000.lengths.arrow", "shard-00000.json"]
    assert seen[-2:] == ["index.arrow", "prepared.json"]
    for at in range(len(seen)):
        prepare_config = config(source, tmp_path / f"{at}")
        with death(monkeypatch, at, after=after), pytest.raises(Killed):
            prepare(prepare_config, 0, PreparationReport())
        with death(monkeypatch, -1, after=False) as again:
            assert files_of(done(prepare(prepare_config, 0, PreparationReport())).uri) == alone
        begun = {name.partition(".")[0] for name in seen[at + after :]}
        begun |= {"index"} if begun else set()
        assert again == [name for name in seen if name.partition(".")[0] in begun], "a shard that is whole is not made again"


def test_two_that_ask_for_the_same_share_it(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = done(prepare(config(source, tmp_path / "out"), 0, PreparationReport()))
    other = config(
        source, tmp_path / "out", training="u", seed=7, workers=3, dataset={"name": "other", "weight": 2.0, "documents": {"min_tokens": 9}}
    )
    with death(monkeypatch, 0, after=False) as seen:
        for worker in range(3):
            assert prepare(other, worker, PreparationReport()) == first
    assert seen == []


@pytest.mark.parametrize(
    "changes",
    [
        {"vocab_size": 300},
        {"dataset": {"fields": "body"}},
        {"seed": 1, "dataset": {"fields_from_example": "line"}},
        {"dataset": {"kind": "text", "frames": {"max_frames": 3}}},
    ],
)
def test_what_decides_the_content_decides_the_place(source: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    from lwm_trainer.preparation.location import store_folder, store_recipe

    def where(**prepare_config: Any) -> str:
        created = config(source, "/root", **prepare_config)
        return store_folder(
            created.root,
            store_recipe(created, Tokenizer.load(created.tokenizer, 300), list_record_files(created.dataset.uri)),
        )

    assert where(**changes) != where(**(changes | {"seed": 0} if "seed" in changes else {}))
    before = where()
    os.utime(source / "b.txt", ns=(1, 1))
    assert where() != before


def test_a_store_in_a_bucket(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = {f"data/{path.relative_to(source)}": path.read_bytes() for path in source.rglob("*.*")}
    with a_bucket(monkeypatch, objects | {"tokenizer.json": content("<s>", "</s>")}) as bucket:
        prepare_config = config("gs://lwm/data", "gs://lwm/datasets", workers=2, tokenizer="gs://lwm/tokenizer.json")
        other = other_worker(prepare_config, 1)
        other.start()
        prepared = done(prepare(prepare_config, 0, PreparationReport(), poll_seconds=0.01))
        other.join()
        store = TokenStore.open(prepared.uri, "gs://lwm/data")
        same(store, in_memory(prepare_config))
        disk = done(prepare(config(source, tmp_path / "out"), 0, PreparationReport()))
        written = {name.rpartition("/")[2]: each for name, each in bucket.objects.items() if name.startswith("datasets/")}
        assert {name: each for name, each in written.items() if name.startswith("shard")} == {
            name: each for name, each in files_of(disk.uri).items() if name.startswith("shard")
        }
        before = len(bucket.requests)
        store.read(0, int(store.offsets[-1]))
        assert len(bucket.requests) == before, "shards are fetched once"


def bad(source: Path) -> None:
    (source / "sub" / "c.jsonl").write_text('{"text": "fine"}\n{"body": 1}\n{"text": ""}\nno\n')


def test_a_bad_record_is_fatal_with_file_and_line(source: Path, tmp_path: Path) -> None:
    bad(source)
    with pytest.raises(DataCorruptError) as error:
        prepare(config(source, tmp_path / "out"), 0, PreparationReport())
    assert str(error.value) == (
        f"{source}/sub/c.jsonl:2: field 'text' is missing (the record has 'body'): add it or correct the fields of the data set"
    )


def test_bad_records_are_counted_and_told_where_they_are_to_be_skipped(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad(source)
    reports: list[Preparation] = []
    prepare_config = config(source, tmp_path / "out", dataset={"on_bad_record": "skip"})
    prepared = done(prepare(prepare_config, 0, PreparationReport(reports.append)))
    assert (prepared.documents, prepared.skipped) == (62, 3)
    first = f"{source}/sub/c.jsonl:2: field 'text' is missing (the record has 'body'): add it or correct the fields of the data set"
    assert (reports[-1].skipped, reports[-1].first_skipped, reports[-1].prepared) == (3, first, prepared)
    assert capsys.readouterr().err.splitlines() == [
        f"skipped: {first}",
        f"skipped: {source}/sub/c.jsonl:3: the document is empty: leave its record out",
        f"skipped: {source}/sub/c.jsonl:4: not JSON (Expecting value at column 1): write one object a line",
    ]
    same(TokenStore.open(prepared.uri, str(source)), in_memory(prepare_config))
    with pytest.raises(DataCorruptError, match="field 'text' is missing"):  # somebody else's store, whose losses this one does not want
        prepare(config(source, tmp_path / "out"), 0, PreparationReport())


def test_a_data_set_without_a_document_is_refused(source: Path, tmp_path: Path) -> None:
    for name in ("b.txt", "sub/c.jsonl"):
        (source / name).unlink()
    (source / "a.jsonl").write_text("\n\n")
    with pytest.raises(DataMissingError, match=r"datasets\[books\]: .*/source holds no document: its files are empty"):
        prepare(config(source, tmp_path / "out"), 0, PreparationReport())
    (source / "a.jsonl").write_text("x\ny\n")
    with pytest.raises(DataCorruptError, match=r"none of its 2 records makes a document; the first: .*a\.jsonl:1: not JSON"):
        prepare(config(source, tmp_path / "out", dataset={"on_bad_record": "skip"}), 0, PreparationReport())


@pytest.mark.parametrize(("workers", "seconds"), [(2, 0.0), (1, 0.0), (1, 60.0)])
def test_a_source_that_changes_is_named(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, seconds: float
) -> None:
    monkeypatch.setattr("lwm_trainer.preparation.worker._LIST_SECONDS", seconds)
    report = PreparationReport()
    planned = report.planned

    def change_the_source_once_it_is_listed(*arguments: Any) -> None:
        planned(*arguments)
        (source / "z.txt").write_text("more")

    monkeypatch.setattr(report, "planned", change_the_source_once_it_is_listed)
    with pytest.raises(FileChangedError, match=r"source: was changed while it was read: leave it as it is"):
        prepare(config(source, tmp_path / "out", workers=workers), 0, report, poll_seconds=0.01)
    if seconds == 0.0:
        assert not list((tmp_path / "out").rglob("shard-*")), "named before this worker's shards, not after them"
    assert not list((tmp_path / "out").rglob(PREPARED)), "what is not whole is not opened"


def test_a_store_that_is_not_whole_is_not_opened(source: Path, tmp_path: Path) -> None:
    prepared = done(prepare(config(source, tmp_path / "out"), 0, PreparationReport()))
    shard = Path(prepared.uri) / "shard-00001.arrow"
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(DataCorruptError, match=r"shard-00001\.arrow: not a complete Arrow file .* prepare the data set anew"):
        TokenStore.open(prepared.uri, str(source)).read(0, prepared.tokens)
    (Path(prepared.uri) / "prepared.json").unlink()
    with pytest.raises(DataMissingError, match="the token store is missing or incomplete"):
        TokenStore.open(prepared.uri, str(source))


@pytest.mark.parametrize(
    ("deleted", "error"),
    [
        ("shard-00001.arrow", "the token store lacks shard-00001.arrow: prepare it again"),
        ("index.arrow", "the token store lacks index.arrow: prepare it again"),
        ("shard-00001.lengths.arrow", None),
        ("shard-00000.json", None),
        ("plan.json", None),
        ("prepared.json", "the token store is missing or incomplete"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_deleted_file_of_a_complete_store_is_made_again(
    source: Path, tmp_path: Path, deleted: str, error: str | None, workers: int
) -> None:
    prepare_config = config(source, tmp_path / "out", workers=workers)
    other = other_worker(prepare_config, workers - 1)
    other.start()
    prepared = done(prepare(prepare_config, 0, PreparationReport(), poll_seconds=0.01))
    other.join()
    before = files_of(prepared.uri)
    (Path(prepared.uri) / deleted).unlink()
    with pytest.raises(DataMissingError, match=error) if error else nullcontext():
        TokenStore.open(prepared.uri, str(source))
    other = other_worker(prepare_config, workers - 1)
    other.start()
    assert done(prepare(prepare_config, 0, PreparationReport(), poll_seconds=0.01)) == prepared
    other.join()
    assert files_of(prepared.uri) == before


def test_rows_of_a_store_are_those_of_memory(source: Path, tmp_path: Path) -> None:
    prepare_config = config(source, tmp_path / "out")
    run = a_run(**(ALONE | {"datasets": [prepare_config.dataset], "context_length": 32, "batch_tokens": 128}))
    store = TokenStore.open(done(prepare(prepare_config, 0, PreparationReport())).uri, str(source))
    kept, read = (Batches(run, {"books": each}) for each in (store, in_memory(prepare_config)))
    for step in range(3):
        for name, array in read.batch(step).items():
            assert np.array_equal(kept.batch(step)[name], array)


def test_threads_read_a_store_at_once(source: Path, tmp_path: Path) -> None:
    prepare_config = config(source, tmp_path / "out")
    store = TokenStore.open(done(prepare(prepare_config, 0, PreparationReport())).uri, str(source))
    expected = in_memory(prepare_config).tokens
    spans = [(begin, begin + 50) for begin in range(0, len(expected) - 50, 7)]
    with ThreadPoolExecutor(8) as pool:
        actual = list(pool.map(lambda span: store.read(*span).tokens, spans))
    assert all(np.array_equal(tokens, expected[begin:end]) for tokens, (begin, end) in zip(actual, spans, strict=True))


def worker(prepare_config: PrepareConfig, index: int, folder: Path) -> "subprocess.Popen[bytes]":
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(prepare_config.model_dump_json(by_alias=True))
    environment = {
        "LWM_CONFIG": str(folder / "run.json"),
        "LWM_TERMINATION_PATH": str(folder / f"words-{index}"),
        "JOB_COMPLETION_INDEX": str(index),
    }
    return subprocess.Popen([sys.executable, "-m", "lwm_trainer.preparation"], env=os.environ | environment, stderr=subprocess.DEVNULL)


def test_processes_leave_with_the_trainer_s_codes_and_last_words(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_config = config(source, tmp_path / "out", workers=2)
    processes = [worker(prepare_config, index, tmp_path / "pods") for index in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    words = [TerminationMessage.model_validate_json((tmp_path / "pods" / f"words-{index}").read_text()) for index in range(2)]
    assert words[0].prepared is not None
    assert words[1].prepared is None
    assert TokenStore.open(words[0].prepared.uri, str(source)).prepared == words[0].prepared
    bad(source)
    with a_bucket(monkeypatch, {}):
        asked_for = [
            (ExitCode.BAD_ARGUMENTS, "JOB_COMPLETION_INDEX='2': set it to this worker's index, 0 to 1", prepare_config, 2),
            (ExitCode.BAD_DATA, f"{source}/sub/c.jsonl:2: field 'text' is missing", config(source, tmp_path / "out"), 0),
            (ExitCode.STORAGE_DENIED, "gs://secret/datasets", config(source, "gs://secret/datasets"), 0),
            (ExitCode.BAD_DATA, "gs://none/datasets", config(source, "gs://none/datasets"), 0),
        ]
        running = [worker(each, index, tmp_path / str(number)) for number, (_, _, each, index) in enumerate(asked_for)]
        for number, (process, (code, message, _, index)) in enumerate(zip(running, asked_for, strict=True)):
            assert process.wait(60) == code
            termination = TerminationMessage.model_validate_json((tmp_path / str(number) / f"words-{index}").read_text())
            assert (termination.code, termination.prepared) == (code, None)
            assert termination.message.startswith(message)


def test_what_a_killed_process_leaves_is_gone_on_with(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_shards, "MIN_SHARD_BYTES", 2**20)  # as in the process
    (source / "a.jsonl").write_text("\n".join(json.dumps({"text": f"{number} " * 2000}) for number in range(500)))
    alone = done(prepare(config(source, tmp_path / "alone"), 0, PreparationReport()))
    prepare_config = config(source, tmp_path / "out")
    uri = tmp_path / "out" / Path(alone.uri).name
    process = worker(prepare_config, 0, tmp_path / "pods")
    while not (uri / "shard-00000.json").exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not (uri / "prepared.json").exists()
    (uri / ".shard-00001.arrow.0123abcd").write_bytes(b"torn")
    assert done(prepare(prepare_config, 0, PreparationReport())).tokens == alone.tokens
    assert files_of(str(uri)) == files_of(alone.uri)
