"""What `lwm train` does: an LWMTraining on this machine, without Kubernetes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from lwm_cli.errors import FileError
from lwm_cli.local.folder import RUNS, TrainingFolder
from lwm_cli.local.follow import Outcome, follow
from lwm_cli.local.local_cluster import LocalCluster
from lwm_cli.local.logs import log_to
from lwm_cli.local.manifest import Options, forbidden_changes, load_local, local_problems
from lwm_cli.status_table import TrainingView
from lwm_operator.api.status import Phase
from lwm_operator.api.training import Training
from lwm_operator.plan.validation.warnings import warnings

LOG = "lwm-train.log"
"""The log of the operator's decisions, in the training's folder."""
EXIT_CODES = {Outcome.COMPLETE: 0, Outcome.STOPPED: 1, Outcome.LEFT: 130}


def train_file(file: Path, out: Path | None, options: Options) -> int:
    """Train what the file says. `out`: the folder of status, logs and checkpoints. Returns the exit code. Raises FileError."""
    training = load_local(file, options, out)
    folder = TrainingFolder(out or RUNS / training.metadata.name)
    if training.spec.checkpoint.pvc is not None:
        training = load_local(file, options, folder.path)
    return train(training, folder, Console(stderr=False))


def train(training: Training, folder: TrainingFolder, console: Console) -> int:
    """Store the training in the folder, or go on with the one that is there. Raises FileError."""
    if problems := local_problems(training.spec):
        raise FileError("\n".join(problems))
    with folder.lock(), TrainingView(console) as view:
        store(training, folder, view.say)
        for warning in warnings(training.spec):
            view.say(f"warning: {warning}")
        stored = folder.training()
        view.say(f"training {stored.metadata.name}: status and logs in {folder.path}, checkpoints in {stored.run_root}")
        with log_to(folder.path / LOG):
            outcome = asyncio.run(follow(LocalCluster(folder), view.show, view.say))
    return EXIT_CODES[outcome]


def store(training: Training, folder: TrainingFolder, say: Callable[[str], None]) -> None:
    """Store the training; one that is there goes on with this spec, and once more where it was stopped. Raises FileError."""
    spec = training.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not folder.exists:
        folder.create(training.metadata.name, spec)
        return
    old = folder.training()
    if old.metadata.name != training.metadata.name:
        raise FileError(f"{folder.path} holds training {old.metadata.name}: give another --out")
    if changed := forbidden_changes(old, training.spec):
        raise FileError(f"{folder.path} holds a training with another {', '.join(changed)}, which cannot change: give another --out")
    resume = max(training.spec.resume, old.spec.resume, old.status.observed_resume)
    if old.status.phase in (Phase.PAUSED, Phase.FAILED) and resume == old.status.observed_resume:
        resume += 1
        say(f"it was {old.status.phase.value}, and goes on with new budgets: spec.resume {resume}")
    folder.change(lambda body: body.update(spec=spec | {"resume": resume}))
