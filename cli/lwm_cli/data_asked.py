"""Which data sets of which stage a command is asked about, and where this machine finds what pods find on a claim."""

import argparse
from pathlib import Path

from lwm_cli.training import FileError, load, stages
from lwm_operator.api.training import Training
from lwm_trainer.config import RunConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", metavar="NAME", help="only this one")
    parser.add_argument("--source", metavar="PATH", help="where its files lie on this machine, instead of on the claim")
    parser.add_argument("--tokenizer", metavar="FILE", help="a tokenizer.json of this machine, instead of the one on the claim")


def run_of(training: Training, given: argparse.Namespace, dataset: str | None, stage: str | None = None) -> RunConfig:
    """The stage's run config with the data set that is asked for, or all, none of them prepared; without a stage, of the first that draws
    on it. Raises FileError."""
    for _, run in stages(training, stage):
        found = [each.model_copy(update={"prepared": None}) for each in run.datasets if dataset in (None, each.name)]
        if found:
            break
    else:
        raise FileError(f"--dataset {dataset}: {'the stage does not draw' if stage else 'no stage draws'} on it: name it in a mixture")
    if given.source:
        found = [each.model_copy(update={"uri": place(given.source)}) for each in found]
    return run.model_copy(update={"datasets": tuple(found), "tokenizer": place(given.tokenizer or run.tokenizer)})


def training_of(file: Path, given: argparse.Namespace) -> Training:
    """Raises FileError when it does not have the data set that is asked for."""
    training = load(file)
    known = [each.name for each in training.spec.datasets]
    if given.dataset not in (None, *known):
        raise FileError(f"--dataset {given.dataset}: no such data set: use one of {', '.join(known)}")
    if given.source and not given.dataset:
        raise FileError("--source is of one data set: name it by --dataset")
    return training


def place(path: str) -> str:
    """`gs://…` as it is, else the absolute path."""
    return path if path.startswith("gs://") else str(Path(path).absolute())
