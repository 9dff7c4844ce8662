"""Options that choose data sets and a stage, and replace addresses that exist only in pods."""

from dataclasses import dataclass
from pathlib import Path

from lwm_cli.errors import FileError
from lwm_cli.local.manifest import path_reader
from lwm_cli.training import load, stages
from lwm_operator.api.training import Training
from lwm_trainer.config import RunConfig


@dataclass(frozen=True)
class DatasetOptions:
    """Which data set, and what stands in for addresses that exist only in pods; None: as the file says."""

    dataset: str | None
    source: str | None
    tokenizer: str | None


def load_training(file: Path, options: DatasetOptions) -> Training:
    """Load the file, whose addresses may be paths of this machine, as for `lwm train`.

    Raises FileError, also when it does not have the data set of `--dataset`.
    """
    training = load(file, local_path=path_reader(file.parent))
    names = [dataset.name for dataset in training.spec.datasets]
    if options.dataset not in (None, *names):
        raise FileError(f"--dataset {options.dataset}: no such data set: use one of {', '.join(names)}")
    if options.source and not options.dataset:
        raise FileError("--source is of one data set: name it by --dataset")
    return training


def run_config_for(training: Training, options: DatasetOptions, dataset: str | None, stage: str | None = None) -> RunConfig:
    """The run config of a stage with one of its data sets, or with all for None, none of them prepared.

    Without a stage, it is the first stage that draws on the data set. Raises FileError when there is none.
    """
    for _, run in stages(training, stage):
        datasets = [each.model_copy(update={"prepared": None}) for each in run.datasets if dataset in (None, each.name)]
        if datasets:
            break
    else:
        raise FileError(f"--dataset {dataset}: {'the stage does not draw' if stage else 'no stage draws'} on it: name it in a mixture")
    if options.source:
        datasets = [each.model_copy(update={"uri": absolute(options.source)}) for each in datasets]
    return run.model_copy(update={"datasets": tuple(datasets), "tokenizer": absolute(options.tokenizer or run.tokenizer)})


def absolute(path: str) -> str:
    """`gs://…` unchanged, any other path as an absolute one."""
    return path if path.startswith("gs://") else str(Path(path).absolute())
