"""One training of the proof from its file to its figures; what is done is not done again."""

import json
import resource
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from lwm_cli.local.folder import TrainingFolder
from lwm_cli.local.job import RUN_CONFIG
from lwm_cli.local.local_cluster import ATTEMPTS
from lwm_cli.local.manifest import Options, load_local
from lwm_cli.train import train
from lwm_operator.api.names import job_name
from lwm_trainer.config import RunConfig
from quickstart.proof.evaluate import evaluate
from quickstart.proof.trainings import GROWING, TOKEN_MEAN, Run, write_manifest
from quickstart.proof.work import count_work
from quickstart.results import read_stage
from quickstart.watch import TrainingError

RESULT = "result.json"


def run_and_measure(run: Run, folder: Path, data: Path, earlier: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The figures of a run: `stages`, each with its work, losses and evaluation.

    Args:
        earlier: the figures of the runs before, by name.

    Raises FileError, and TrainingError where the training is not complete.
    """
    result = folder / RESULT
    if result.exists():
        made: dict[str, Any] = json.loads(result.read_text())
        return made
    write_manifest(
        run,
        data,
        {name: [stage["checkpoint"] for stage in figures["stages"]] for name, figures in earlier.items()},
        folder / "training.yaml",
    )
    place = TrainingFolder(folder / "run")
    before = _child_seconds()
    code = train(load_local(folder / "training.yaml", Options(), place.path), place, Console())
    _add_seconds(folder / "seconds.json", _child_seconds() - before)
    if code:
        raise TrainingError(f"{run.name} is not complete: the same command goes on where it stopped")
    training = place.training()
    stages = []
    for number, (rung, status) in enumerate(zip(run.rungs, training.status.stages, strict=True), start=1):
        assert status.final_checkpoint is not None  # noqa: S101 - the training is complete
        record = read_stage(status.final_checkpoint.path)
        attempt = place.path / ATTEMPTS / job_name(run.name, number, status.attempts)
        figures = {"rung": asdict(rung), "checkpoint": record.checkpoint, "validation_loss": record.validation_loss}
        figures |= {"loss": float(record.losses[-10:].mean()), **count_work(RunConfig.read_json((attempt / RUN_CONFIG).read_bytes()))}
        if run.chats is None and (run.name == GROWING or number == len(run.rungs)):
            figures["evaluation"] = evaluate(record.checkpoint, data, folder / "evals" / rung.name, whole=run.name != TOKEN_MEAN)
        stages.append(figures)
    made = {"name": run.name, "title": run.title, "cpu_seconds": sum(_seconds(folder / "seconds.json")), "stages": stages}
    result.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return made


def _child_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _seconds(file: Path) -> Sequence[float]:
    made: list[float] = json.loads(file.read_text()) if file.exists() else []
    return made


def _add_seconds(file: Path, seconds: float) -> None:
    """The CPU seconds of each call, of all processes that it started."""
    file.write_text(json.dumps([*_seconds(file), round(seconds, 1)]))
