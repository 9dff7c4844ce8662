"""The file of a training in local mode: addresses may be paths of this machine, and options replace parts of it before it is checked."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yaml import MappingNode

from lwm_cli.edits import Edit, apply_edit, parse_edit
from lwm_cli.errors import FileError
from lwm_cli.training import load
from lwm_operator.api.accelerator import Accelerator
from lwm_operator.api.dataset import FIXED_FIELDS
from lwm_operator.api.spec import Spec
from lwm_operator.api.training import Training
from lwm_operator.platforms.gang import gang_of

FILE_SCHEME = "file:"
CHECKPOINTS = "checkpoints"
"""Folder of checkpoints, prepared data sets and compiled programs, below that of the training."""


@dataclass(frozen=True)
class Options:
    """What `lwm train` replaces in the file. `sources` are NAME=PATH, or PATH where the file has one data set."""

    settings: Sequence[str] = ()
    sources: Sequence[str] = ()
    tokenizer: str | None = None


def load_local(file: Path, options: Options, folder: Path | None) -> Training:
    """Load the file for this machine. Checkpoints go below `folder` where it is given, else where the file says. Raises FileError."""
    edits = [parse_edit(text) for text in options.settings]
    if options.tokenizer is not None:
        edits += _at_path("--tokenizer", "tokenizer", options.tokenizer)
    for source in options.sources:
        name, equals, path = source.partition("=")
        edits += _at_path(f"--source {source}", f"datasets[{name if equals else 0}].source", path if equals else source)
    if folder is not None:
        edits += checkpoints_below(folder)
    training = _load(file, edits)
    if len(training.spec.datasets) > 1 and (bare := next((each for each in options.sources if "=" not in each), None)) is not None:
        names = ", ".join(dataset.name for dataset in training.spec.datasets)
        raise FileError(f"--source {bare}: the file has several data sets: write NAME=PATH, with a name of {names}")
    return training


def checkpoints_below(folder: Path) -> list[Edit]:
    """Edits that put checkpoints below the folder, whatever claim or bucket the file names."""
    return [*_at_path("--out", "checkpoint", str(folder.absolute() / CHECKPOINTS)), parse_edit("checkpoint.endpoint=null")]


def _load(file: Path, edits: Sequence[Edit]) -> Training:
    return load(file, all_of(edits), path_reader(file.parent))


def all_of(edits: Sequence[Edit]) -> Callable[[MappingNode], None]:
    """One change that makes every edit, in order."""

    def edit(root: MappingNode) -> None:
        for each in edits:
            apply_edit(root, each)

    return edit


def path_reader(folder: Path) -> Callable[[str], str | None]:
    """Reads `file:` addresses and absolute paths as absolute paths; a `file:` address that is relative is below `folder`."""

    def read(text: str) -> str | None:
        if text.startswith(FILE_SCHEME):
            path = text.removeprefix(FILE_SCHEME)
            return os.path.normpath(folder.absolute() / (path.removeprefix("//") if path.startswith("///") else path))
        return text if text.startswith("/") else None

    return read


def _at_path(option: str, field: str, path: str) -> list[Edit]:
    """Edits that put a location at `path`, or at the gs:// address that it is."""
    address = path if path.startswith(("gs://", FILE_SCHEME)) else str(Path(path).absolute())
    texts = (f"{field}.uri={json.dumps(address)}", f"{field}.pvc=null")
    return [Edit(option, each.steps, each.value) for each in map(parse_edit, texts)]


def local_problems(spec: Spec, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Why the training cannot run on this machine: each names the field and the fix."""
    return [*_location_problems(spec), *_accelerator_problems(spec, environment), *_variable_problems(spec, environment)]


def _location_problems(spec: Spec) -> Iterator[str]:
    init = spec.model.init_from
    locations = {
        "spec.tokenizer": (spec.tokenizer, "give --tokenizer FILE"),
        **{f"spec.datasets[{each.name}].source": (each.source, f"give --source {each.name}=PATH") for each in spec.datasets},
        **({"spec.model.initFrom": (init, "give --set model.initFrom={uri: /path}")} if init is not None else {}),
    }
    for field, (location, fix) in locations.items():
        if location.pvc is not None:
            yield f"{field}.pvc: claim {location.pvc.claim_name} exists only in a cluster: {fix}"
        elif location.uri is not None and location.uri.startswith("/") and "*" not in location.uri and not Path(location.uri).exists():
            yield f"{field}.uri: {location.uri} does not exist: correct it, or {fix}"


def _accelerator_problems(spec: Spec, environment: Mapping[str, str]) -> Iterator[str]:
    if environment.get("JAX_PLATFORMS") == "cpu":  # a rehearsal: every host is a process with CPU devices
        return
    accelerators: dict[str, Accelerator] = {"spec.accelerator": spec.accelerator} | {
        f"spec.stages[{stage.name}].accelerator": stage.accelerator for stage in spec.stages if stage.accelerator is not None
    }
    for field, accelerator in accelerators.items():
        gang = gang_of(accelerator)
        if gang.platform != "cpu" and gang.hosts > 1:
            yield (
                f"{field}: {gang.hosts} {gang.platform.upper()} hosts, and this machine is one: use an accelerator of one host, or rehearse"
                " on its CPUs with JAX_PLATFORMS=cpu"
            )


def _variable_problems(spec: Spec, environment: Mapping[str, str]) -> Iterator[str]:
    for variable in spec.pod_template.env:
        source = variable.value_from
        reference = None if source is None else source.secret_key_ref or source.config_map_key_ref
        if reference is not None and not reference.optional and variable.name not in environment:
            yield f"spec.podTemplate.env[{variable.name}]: its Secret or ConfigMap is in a cluster: set the variable in your shell"


def forbidden_changes(old: Training, new: Spec) -> list[str]:
    """The fields that differ from those with which the training began, and cannot change in it, as the API server has it."""
    spec, begun = old.spec, old.status.current_stage or 0
    changed = [name for name in ("seed", "model", "tokenizer", "checkpoint.uri", "checkpoint.pvc") if _at(spec, name) != _at(new, name)]
    if begun and spec.accelerator != new.accelerator:
        changed.append("accelerator")
    fixed = [{name: dataset.model_dump(by_alias=True).get(name) for name in ("name", *FIXED_FIELDS)} for dataset in spec.datasets]
    if fixed != [{name: dataset.model_dump(by_alias=True).get(name) for name in ("name", *FIXED_FIELDS)} for dataset in new.datasets]:
        changed.append("datasets")
    changed += [f"stages[{stage.name}]" for number, stage in enumerate(spec.stages[:begun]) if new.stages[number : number + 1] != (stage,)]
    return [f"spec.{name}" for name in changed]


def _at(spec: Spec, path: str) -> object:
    value: object = spec
    for name in path.split("."):
        value = getattr(value, name)
    return value
