"""The example in local mode: processes of this machine instead of pods, with the same training, verdict and picture."""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lwm_cli.errors import FileError
from lwm_cli.local.folder import TRAINING, TrainingFolder
from lwm_cli.local.job import RUN_CONFIG
from lwm_cli.local.local_cluster import ATTEMPTS
from lwm_cli.local.manifest import Options, load_local
from lwm_cli.places import Body, parse_body
from lwm_cli.train import train
from lwm_operator.api.names import job_name
from lwm_operator.api.status import Phase
from lwm_operator.api.training import Training
from lwm_trainer.config import RunConfig
from quickstart.learning_check import LearningCheck, check_learning, same_tokens_entropy
from quickstart.results import StageRecord, read_stage
from quickstart.storage import example_objects, write
from quickstart.times import Times
from quickstart.watch import TrainingError, stage_seconds

DEVICES = 2
"""CPU devices in one process: on two cores a step takes two thirds of the time that the cluster's eight in two processes take, and a start
half of it. Rows, batches and steps are the example's, so the verdict is, too."""
FOLDER = Path(__file__).resolve().parents[1] / "build" / "quickstart" / "local"


def run(options: argparse.Namespace, times: Times) -> tuple[Body, list[StageRecord], LearningCheck]:
    """Train the example, or go on with it, and read what it has learned: the object, and what it left. Raises TrainingError, ValueError."""
    data = FOLDER / "data"
    with times.part("data"):
        write(example_objects(), data)
    folder = TrainingFolder(FOLDER / "run")
    sources = (f"books={data / 'books'}", f"held-out={data / 'held-out-books'}")
    tokenizer = str(data / "tokenizer" / "tokenizer.json")
    try:
        stages = len(load_local(options.example, Options(), folder.path).spec.stages)
        training = load_local(options.example, Options(settings_for(stages), sources, tokenizer), folder.path)
        if folder.exists and not options.keep and folder.training().status.phase == Phase.COMPLETE:
            shutil.rmtree(folder.path)
        code = train(training, folder, Console())
    except FileError as error:
        raise ValueError(str(error)) from error
    if code:
        raise TrainingError("the training is not complete: the same command goes on where it stopped")
    body, complete = folder.body(), folder.training()
    times.seconds |= {f"stage {number}": taken for number, taken in enumerate(stage_seconds(body), start=1)}
    with times.part("reading"):
        return body, *_results(folder, complete)


def settings_for(stages: int) -> list[str]:
    """What local mode replaces in an example of so many stages: one host of DEVICES devices, which share every sequence."""
    accelerator = f"accelerator={{type: cpu, cpu: {{hosts: 1, devicesPerHost: {DEVICES}, threads: 2}}}}"
    return [accelerator, *(f"stages[{number}].mesh={{sp: {DEVICES}}}" for number in range(stages))]


def _results(folder: TrainingFolder, training: Training) -> tuple[list[StageRecord], LearningCheck]:
    finals = [stage.final_checkpoint for stage in training.status.stages]
    stages = [read_stage(final.path) for final in finals if final is not None]
    last = job_name(training.metadata.name, len(stages), training.status.stages[-1].attempts)
    config = RunConfig.read_json((folder.path / ATTEMPTS / last / RUN_CONFIG).read_bytes())
    return stages, check_learning(stages[-1].losses, same_tokens_entropy(config, stages[-1].tokens_hash))


def commands(body: Body) -> Sequence[str]:
    """Shell commands with which to look around."""
    training = parse_body(body)
    folder = FOLDER / "run"
    return (
        f"cat {folder}/{TRAINING}",
        f"tail -n 5 {folder}/{ATTEMPTS}/{job_name(training.metadata.name, len(training.spec.stages), 1)}/*.log",
        f"ls {training.run_root}",
    )
