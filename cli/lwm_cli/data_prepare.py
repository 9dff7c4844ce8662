"""`lwm data prepare FILE.yaml --out ROOT`: the data sets of an LWMTraining as token stores, by processes of this machine."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lwm_cli.data_asked import add_arguments, place, run_of, training_of
from lwm_cli.training import stages
from lwm_trainer.config import PROCESS_INDEX_VARIABLE, Dataset, Preparation, PrepareConfig, RunConfig, TerminationMessage
from lwm_trainer.data.errors import DataError
from lwm_trainer.preparation.preparation_report import PreparationReport, progress_line
from lwm_trainer.preparation.worker import prepare

_LINE_SECONDS = 5.0
"""Between two lines of progress where there is no terminal."""
_DRAW_SECONDS = 0.1


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="lwm data prepare", description="Data sets as token stores, ready to train on.")
    parser.add_argument("file", type=Path, help="an LWMTraining, as kubectl would apply it")
    add_arguments(parser)
    parser.add_argument("--out", required=True, metavar="ROOT", help="a folder or gs:// place: each data set gets a folder below it")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (%(default)s)")
    given = parser.parse_args(arguments)
    if given.workers < 1:
        parser.error("--workers: at least one")
    for run, dataset in _asked(given):
        config = _config(run, dataset, place(given.out), given.workers)
        with _others(config) as look:
            prepared = prepare(config, 0, PreparationReport(_Progress(dataset.name, look)))
        if prepared is not None:
            skipped = f", {prepared.skipped} records skipped" if prepared.skipped else ""
            print(f"{dataset.name}: {prepared.uri}: {prepared.documents} documents, {prepared.tokens} tokens{skipped}", flush=True)
    return 0


def _asked(given: argparse.Namespace) -> Iterator[tuple[RunConfig, Dataset]]:
    training = training_of(given.file, given)
    drawn = dict.fromkeys(each.name for _, run in stages(training, None) for each in run.datasets)
    for name in [given.dataset] if given.dataset else drawn:
        run = run_of(training, given, name)
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
def _others(config: PrepareConfig) -> Iterator["_Look"]:
    """Workers 1 and up, as processes, which go when the context ends before them."""
    with tempfile.TemporaryDirectory(prefix="lwm-prepare-") as folder:
        (Path(folder) / "run.json").write_text(config.model_dump_json(by_alias=True))
        look = _Look(Path(folder), [_start(Path(folder), worker) for worker in range(1, config.workers)])
        try:
            yield look
        finally:
            for process in look.processes:
                process.terminate()
            for process in look.processes:
                process.wait()


def _start(folder: Path, worker: int) -> "subprocess.Popen[bytes]":
    environment = {
        "LWM_CONFIG": str(folder / "run.json"),
        "LWM_TERMINATION_PATH": str(folder / f"words-{worker}"),
        PROCESS_INDEX_VARIABLE: str(worker),
    }
    with (folder / f"log-{worker}").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "lwm_trainer.preparation"], env=os.environ | environment, stderr=log)


class _Look:
    """Raises DataError when a worker has failed: its shards would never come."""

    def __init__(self, folder: Path, processes: "list[subprocess.Popen[bytes]]") -> None:
        self.processes = processes
        self._folder = folder

    def __call__(self) -> None:
        for worker, process in enumerate(self.processes, 1):
            if process.poll():
                words = self._folder / f"words-{worker}"
                said = (
                    TerminationMessage.model_validate_json(words.read_bytes()).message
                    if words.exists()
                    else f"exit code {process.returncode}"
                )
                raise DataError(f"worker {worker}: {said}")


class _Progress:
    """One line that is written anew on a terminal, a line each few seconds elsewhere."""

    def __init__(self, name: str, look: _Look) -> None:
        self._name, self._look, self._told = name, look, 0.0
        self._terminal = sys.stderr.isatty()

    def __call__(self, now: Preparation) -> None:
        self._look()
        since = time.monotonic() - self._told
        if now.prepared is None and since < (_DRAW_SECONDS if self._terminal else _LINE_SECONDS):
            return
        self._told = time.monotonic()
        line = f"{self._name}: {progress_line(now)}"
        end = "\n" if now.prepared is not None or not self._terminal else ""
        print(f"\r\x1b[K{line}" if self._terminal else line, end=end, file=sys.stderr, flush=True)
