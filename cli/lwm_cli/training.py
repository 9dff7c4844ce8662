"""Loads the file of an LWMTraining, and makes the run config of each stage as the operator would."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydantic
from yaml import MappingNode, Node, ScalarNode

from lwm_cli.cel_rules import rule_errors
from lwm_cli.errors import FileError
from lwm_cli.strict_manifest import StrictReader, dotted, path_in
from lwm_cli.yaml_nodes import YamlError, documents, line_of, scalar
from lwm_operator.api.names import API_VERSION, KIND
from lwm_operator.api.stage import Stage
from lwm_operator.api.training import Training, parse_training
from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.run_config import run_config
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.stage_handover import start_of
from lwm_operator.plan.stage_status import stage_entries
from lwm_operator.plan.validation.validate import validate
from lwm_trainer.config import RunConfig

Edit = Callable[[MappingNode], None]
LocalPath = Callable[[str], str | None]


def load(file: Path, edit: Edit | None = None, local_path: LocalPath | None = None) -> Training:
    """Load and validate the file, as strictly as `kubectl apply` and the operator do.

    `edit` changes the object before it is read; what it puts there is on line 0. `local_path` as in `parse_training`.

    Raises FileError, which names file, line and field, unless the file has exactly one LWMTraining, and the operator would accept that.
    """
    return load_object(file, edit, local_path)[0]


def load_object(file: Path, edit: Edit | None = None, local_path: LocalPath | None = None) -> tuple[Training, dict[str, Any]]:
    """Load and validate the file as `load` does: the training, and the object as it stands in the file. Raises FileError."""
    try:
        return parse_text(file.read_text(encoding="utf-8-sig"), str(file), edit, local_path)
    except OSError as error:
        raise FileError(f"{file}: {error.strerror}: give the file of an {KIND}") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{file} is not YAML: {error}") from error


def place_in_file(file: str, line: int) -> str:
    """Where in a file something is wrong; line 0: an option has put it there."""
    return f"{file}:{line}" if line else f"{file}, changed by an option"


def parse_text(
    text: str, file: str, edit: Edit | None, local_path: LocalPath | None, place: Callable[[str, int], str] = place_in_file
) -> tuple[Training, dict[str, Any]]:
    """Parse and validate the text of a file as `load` does. `place` makes of its name and a line the words that begin an error.

    Raises FileError.
    """
    try:
        roots = documents(text)
        kinds = [_root_fields(root) for root in roots]
    except YamlError as error:
        raise FileError(f"{file}{'' if error.line is None else f':{error.line}'} is not YAML: {error}") from error
    root = _only_training(file, roots, kinds)
    if edit is not None:
        edit(root)
    reader = StrictReader()
    body = reader.read(root)
    if reader.errors:
        raise FileError("\n".join(f"{place(file, line)}: {sentence}" for line, sentence in sorted(reader.errors)))
    try:
        training = parse_training(_with_server_defaults(body), local_path=local_path)
    except pydantic.ValidationError as error:
        paths = [each["loc"] for each in error.errors()]
        # pydantic counts the valid items of a list: too few is an error of its own only where no item is wrong.
        own = [each for each in error.errors() if not any(each["loc"] == path[: len(each["loc"])] != path for path in paths)]
        lines = sorted((reader.line_of(each["loc"]), dotted(each["loc"]), each["msg"]) for each in own)
        raise FileError("\n".join(f"{place(file, line)}: {path}: {message}" for line, path, message in lines)) from error
    # What the API server would say comes first, then the operator's own words, which often name the fix more exactly.
    wrong = [(reader.line_of(path), f"{dotted(path)}: {message}") for path, message in rule_errors(body)]
    wrong += [(reader.line_of(path_in(body, sentence)), sentence) for sentence in validate(training.spec)]
    if wrong:
        raise FileError("\n".join(f"{place(file, line)}: {sentence}" for line, sentence in sorted(wrong, key=lambda each: each[0])))
    return training, body


def _root_fields(root: Node) -> dict[str, tuple[object, int]]:
    """Value and line of apiVersion and kind of a document. Raises YamlError."""
    if not isinstance(root, MappingNode):
        return {}
    return {
        key.value: (scalar(value), line_of(value))
        for key, value in root.value
        if isinstance(key, ScalarNode) and key.value in ("apiVersion", "kind") and isinstance(value, ScalarNode)
    }


def _only_training(file: str, roots: list[Node], kinds: list[dict[str, tuple[object, int]]]) -> MappingNode:
    """The document of the one LWMTraining. Raises FileError."""
    trainings = [(root, fields) for root, fields in zip(roots, kinds, strict=True) if fields.get("kind", ("", 0))[0] == KIND]
    if len(trainings) != 1:
        where = [f"line {line_of(root)}: {fields.get('kind', ('no kind', 0))[0]}" for root, fields in zip(roots, kinds, strict=True)]
        listed = f" ({', '.join(where)})" if where else ""
        raise FileError(f"{file} holds {len(trainings)} objects of kind {KIND}{listed}: give a file with one")
    root, fields = trainings[0]
    assert isinstance(root, MappingNode)  # noqa: S101 - only a mapping has a kind
    version, line = fields.get("apiVersion", (None, line_of(root)))
    if version != API_VERSION:
        given = "it is missing" if version is None else f"{version} is not known"
        raise FileError(f"{file}:{line}: apiVersion: {given}: use {API_VERSION}")
    return root


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
