"""Loads the file of an LWMTraining, and makes the run config of each stage as the operator would."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import yaml

from lwm_operator.api.names import KIND
from lwm_operator.api.stage import Stage
from lwm_operator.api.training import Training, parse_training
from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.run_config import run_config
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.stage_handover import start_of
from lwm_operator.plan.stage_status import stage_entries
from lwm_operator.plan.validation.validate import validate
from lwm_trainer.config import RunConfig


class FileError(Exception):
    """The file or an option is wrong: names the field and the fix."""


def load(file: Path) -> Training:
    """Load and validate the file. Raises FileError unless it has exactly one LWMTraining, one that the operator would accept."""
    try:
        documents = [each for each in yaml.safe_load_all(file.read_text()) if isinstance(each, dict)]
    except OSError as error:
        raise FileError(f"{file}: {error.strerror}: give the file of an {KIND}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FileError(f"{file} is not YAML: {error}") from error
    trainings = [document for document in documents if document.get("kind") == KIND]
    if len(trainings) != 1:
        raise FileError(f"{file} holds {len(trainings)} objects of kind {KIND}: give a file with one")
    try:
        training = parse_training(_with_server_defaults(trainings[0]))
    except pydantic.ValidationError as error:
        raise FileError("\n".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())) from error
    if wrong := validate(training.spec):
        raise FileError("\n".join(wrong))
    return training


def _with_server_defaults(body: dict[str, Any]) -> dict[str, Any]:
    """The object with the metadata that the API server would add."""
    metadata = body.get("metadata") or {}
    return body | {"metadata": {"namespace": "default", "uid": "00000000-0000-0000-0000-000000000000"} | metadata}


def stages(training: Training, name: str | None) -> Iterator[tuple[Stage, RunConfig]]:
    """All stages, or the one of that name, each with its run config. Raises FileError when there is no such stage."""
    names = [stage.name for stage in training.spec.stages]
    if name is not None and name not in names:
        raise FileError(f"--stage {name}: no such stage: use one of {', '.join(names)}")
    entries = stage_entries(training.spec, training.status, Observed())
    for number, stage in enumerate(training.spec.stages, 1):
        if name in (None, stage.name):
            run = AttemptSpec(
                training=training, stage=number, attempt=1, start=start_of(training.spec, entries, number - 1, 1), image="", template=""
            )
            yield stage, run_config(run)
