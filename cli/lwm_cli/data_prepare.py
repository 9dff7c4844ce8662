"""`lwm data prepare FILE.yaml|DATA --out ROOT`: prepares data sets as token stores, with processes of this machine."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lwm_cli.data_options import DatasetOptions, absolute, load_training, run_config_for
from lwm_cli.errors import FileError
from lwm_cli.training import stages
from lwm_trainer.config import PROCESS_INDEX_VARIABLE, Dataset, Kind, Preparation, PrepareConfig, RunConfig, TerminationMessage
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.errors import DataError
from lwm_trainer.preparation.preparation_report import PreparationReport, progress_line
from lwm_trainer.preparation.worker import prepare

ANY_SIZE = 2**31 - 1
"""No tokenizer has more pieces."""
TOKENIZER_THREADS = "RAYON_NUM_THREADS"
"""Variable of the threads that tokenizers run: https://docs.rs/rayon, `ThreadPoolBuilder::num_threads`."""
_LINE_SECONDS = 5.0
"""Seconds between two lines of progress without a terminal."""
_REDRAW_SECONDS = 0.1
"""Seconds between two updates of the progress line on a terminal."""


def prepare_datasets(file: Path, options: DatasetOptions, out: str, workers: int) -> int:
    """Prepare data sets of the training in the file into the root `out`. Returns the exit code.

    Raises FileError and the errors of data and storage.
    """
    for run, dataset in _datasets(file, options):
        _prepare(_config(run, dataset, absolute(out), workers))
    return 0


def prepare_data(data: str, kind: Kind, tokenizer: str | None, vocab_size: int | None, out: str, workers: int) -> int:
    """Prepare files without a training into the root `out`. Returns the exit code.

    Args:
        data: a file, a folder with all below it, or a pattern with `*`.
        vocab_size: `model.vocabSize` of trainings that will use the store; None: the tokenizer's size.

    Raises FileError and the errors of data and storage.
    """
    if tokenizer is None:
        raise FileError("--tokenizer is missing: without a training, name the tokenizer.json that makes tokens of the data")
    uri = absolute(tokenizer)
    with share_of_cores(workers):  # the tokenizer takes its threads when it is first used
        size = vocab_size or Tokenizer.load(uri, ANY_SIZE).vocabulary_size
    _prepare(
        PrepareConfig(
            training="data",
            dataset=Dataset(name="data", kind=kind, uri=absolute(data)),
            tokenizer=uri,
            vocab_size=size,
            root=absolute(out),
            workers=workers,
        )
    )
    return 0


def _prepare(config: PrepareConfig) -> None:
    """Prepare one data set, and print what came of it."""
    name = config.dataset.name
    with share_of_cores(config.workers), _other_workers(config) as others:
        prepared = prepare(config, 0, PreparationReport(_Progress(name, others)))
    if prepared is not None:
        skipped = f", {prepared.skipped} records skipped" if prepared.skipped else ""
        print(f"{name}: {prepared.uri}: {prepared.documents} documents, {prepared.tokens} tokens{skipped}", flush=True)


def _datasets(file: Path, options: DatasetOptions) -> Iterator[tuple[RunConfig, Dataset]]:
    """The data sets to prepare, each with the run config of a stage that draws on it."""
    training = load_training(file, options)
    names = dict.fromkeys(each.name for _, run in stages(training, None) for each in run.datasets)
    for name in [options.dataset] if options.dataset else names:
        run = run_config_for(training, options, name)
        yield run, run.datasets[0]


def _config(run: RunConfig, dataset: Dataset, root: str, workers: int) -> PrepareConfig:
    return PrepareConfig(
        training=run.training,
        dataset=dataset,
        tokenizer=run.tokenizer,
        vocab_size=run.model.vocab_size,
        vision_vocab_size=run.model.vision.vocab_size if run.model.vision is not None else None,
        seed=run.seed,
        root=root,
        workers=workers,
    )


@contextmanager
def share_of_cores(workers: int) -> Iterator[None]:
    """Have the tokenizer of each worker, here and in processes that start meanwhile, use its share of the cores, and not all of them.

    A number of threads that the user has set stands.
    """
    if TOKENIZER_THREADS in os.environ:
        yield
        return
    os.environ[TOKENIZER_THREADS] = str(max(1, (os.cpu_count() or 1) // workers))
    try:
        yield
    finally:
        del os.environ[TOKENIZER_THREADS]


@contextmanager
def _other_workers(config: PrepareConfig) -> Iterator["_Workers"]:
    """Run workers 1 and up as processes; they are terminated when the context ends."""
    with tempfile.TemporaryDirectory(prefix="lwm-prepare-") as folder:
        (Path(folder) / "run.json").write_text(config.model_dump_json(by_alias=True))
        workers = _Workers(Path(folder), [_start(Path(folder), worker) for worker in range(1, config.workers)])
        try:
            yield workers
        finally:
            for process in workers.processes:
                process.terminate()
            for process in workers.processes:
                process.wait()


def _start(folder: Path, worker: int) -> "subprocess.Popen[bytes]":
    environment = {
        "LWM_CONFIG": str(folder / "run.json"),
        "LWM_TERMINATION_PATH": str(folder / f"termination-{worker}"),
        PROCESS_INDEX_VARIABLE: str(worker),
    }
    with (folder / f"log-{worker}").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "lwm_trainer.preparation"], env=os.environ | environment, stderr=log)


class _Workers:
    """The processes of workers 1 and up."""

    def __init__(self, folder: Path, processes: "list[subprocess.Popen[bytes]]") -> None:
        self.processes = processes
        self._folder = folder

    def check(self) -> None:
        """Raise DataError when a worker has failed: its shards would never be written."""
        for worker, process in enumerate(self.processes, 1):
            if process.poll():
                termination = self._folder / f"termination-{worker}"
                message = (
                    TerminationMessage.read_json(termination.read_bytes()).message
                    if termination.exists()
                    else f"exit code {process.returncode}"
                )
                raise DataError(f"worker {worker}: {message}")


class _Progress:
    """Prints progress: one line that is updated on a terminal, otherwise a line every few seconds."""

    def __init__(self, name: str, workers: _Workers) -> None:
        self._name, self._workers, self._printed_at = name, workers, 0.0
        self._terminal = sys.stderr.isatty()

    def __call__(self, progress: Preparation) -> None:
        self._workers.check()
        elapsed = time.monotonic() - self._printed_at
        if progress.prepared is None and elapsed < (_REDRAW_SECONDS if self._terminal else _LINE_SECONDS):
            return
        self._printed_at = time.monotonic()
        line = f"{self._name}: {progress_line(progress)}"
        end = "\n" if progress.prepared is not None or not self._terminal else ""
        print(f"\r\x1b[K{line}" if self._terminal else line, end=end, file=sys.stderr, flush=True)
