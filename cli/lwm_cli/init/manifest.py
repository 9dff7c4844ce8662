"""The LWMTraining as YAML with comments."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lwm_cli.init.accelerators import Devices
from lwm_cli.init.ladder import Kind, Rung
from lwm_cli.init.meshes import Proposal
from lwm_operator.api.names import API_VERSION, KIND
from lwm_trainer.config import Model
from lwm_trainer.config.accelerator_families import GIB


@dataclass(frozen=True)
class Places:
    """Where things are: URIs."""

    data: str
    tokenizer: str
    checkpoints: str
    init_from: str | None
    """A step folder; None: the parameters begin random."""


@dataclass(frozen=True)
class Contents:
    """Everything that the file says."""

    command: str
    name: str
    kind: Kind
    model: Model
    places: Places
    devices: Devices
    stages: Sequence[tuple[Rung, Proposal]]
    mixed: bool
    """Whether activations are in bfloat16."""
    save_interval_steps: int
    spending: str | None = None
    """What the budget pays for, in a sentence; None without one."""


def manifest(contents: Contents) -> str:
    """The text of the file."""
    return "\n".join(_lines(contents)) + "\n"


def _lines(contents: Contents) -> Iterator[str]:
    devices, places = contents.devices, contents.places
    lengths = ", ".join(short_length(rung.context_length) for rung, _ in contents.stages)
    yield f"# {contents.command}"
    yield f"# Stages of {lengths} tokens on {devices.words}."
    if contents.spending is not None:
        yield from (f"# {sentence}" for sentence in contents.spending.replace(". ", ".\n").splitlines())
    yield "#"
    yield "# Meshes and memory settings come from arithmetic, which is coarse. Before you pay for devices, have each step compiled:"
    yield "#   lwm fit FILE"
    yield f"apiVersion: {API_VERSION}"
    yield f"kind: {KIND}"
    yield f"metadata: {{name: {contents.name}}}"
    yield "spec:"
    yield "  model:"
    if places.init_from is not None:
        yield "    # A step folder: what lwm convert from-hf wrote, or status.stages[].finalCheckpoint.path of a training."
        yield f"    initFrom: {{uri: {_text(places.init_from)}}}"
    for name, value in _fields(contents.model).items():
        yield f"    {name}: {_inline(value)}"
    if contents.mixed:
        yield "  precision: {compute: bfloat16} # activations; parameters and optimizer are float32"
    yield f"  tokenizer: {{uri: {_text(places.tokenizer)}}}"
    yield from _datasets(contents)
    yield f"  checkpoint: {{uri: {_text(places.checkpoints)}, saveIntervalSteps: {contents.save_interval_steps}, maxToKeep: 3}}"
    accelerator = devices.accelerator.model_dump(by_alias=True, mode="json", exclude_unset=True)
    yield f"  accelerator: {_inline({'type': accelerator.pop('type'), **accelerator})}"
    if devices.gang.platform != "cpu" and places.checkpoints.startswith("gs://"):
        yield "  # An account that may write to the bucket (docs/guides/gke-tpu.md):"
        yield "  # podTemplate: {serviceAccountName: lwm-trainer}"
    yield "  stages:"
    for number, (rung, proposal) in enumerate(contents.stages):
        yield from _stage(contents, number, rung, proposal)


def _datasets(contents: Contents) -> Iterator[str]:
    yield "  datasets:"
    windows = _has_windows(contents)
    if windows:
        yield "    # Each stage trains on documents about as long as its rows: packed short ones teach no long context."
    for number, (rung, _) in enumerate(contents.stages if windows else contents.stages[:1]):
        yield f"    - name: {_dataset_name(contents, number)}"
        yield f"      kind: {contents.kind}"
        yield f"      source: {{uri: {_text(contents.places.data)}}}"
        if contents.kind == "vision":
            yield "      # Each record says in its field `fields` what is read in which order: docs/guides/data.md."
            yield "      fieldsFromExample: fields"
            yield "      frames: {unconditional: 0.1} # for classifier-free guidance"
        if windows and rung.documents is not None:
            least, most = rung.documents
            yield f"      documents: {{minTokens: {least}{'' if most is None else f', maxTokens: {most}'}}}"
        elif contents.kind != "text":
            yield "      documents: {overlong: skip} # a document that is longer than a row is left out and counted"


def _stage(contents: Contents, number: int, rung: Rung, proposal: Proposal) -> Iterator[str]:
    mesh = {name: size for name, size in proposal.mesh.model_dump(by_alias=True, exclude_none=True).items() if size != 1}
    memory = proposal.memory.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
    platform = contents.devices.gang.platform
    yield f"    - name: {_stage_name(contents.kind, rung)}"
    yield f"      contextLength: {rung.context_length}"
    yield f"      ropeTheta: {rung.theta!r}"
    yield f"      batchTokens: {rung.batch_tokens}"
    yield f"      steps: {rung.steps}"
    if _has_windows(contents):
        yield f"      mixture: [{{dataset: {_dataset_name(contents, number)}}}]"
    if platform == "cpu":
        yield f"      mesh: {_inline(mesh)}"
    else:
        memory_words = f"{proposal.needed / GIB:.0f} GiB of {contents.devices.usable_bytes / GIB:.0f} a device"
        yield f"      mesh: {_inline(mesh)} # by the estimate {memory_words}"
        if memory:
            yield f"      memory: {_inline(memory)}"
    if contents.kind == "vision":
        yield "      loss: {weighting: examples, modalities: {text: 0.5, vision: 0.5}}"
    elif contents.kind == "chat":
        yield "      loss: {weighting: examples}"
    yield f"      optimizer: {{peakLearningRate: {rung.learning_rate!r}, warmupSteps: {rung.warmup_steps}, finalFraction: 1.0}}"


def _has_windows(contents: Contents) -> bool:
    return contents.kind == "text" and all(rung.documents is not None for rung, _ in contents.stages)


def _dataset_name(contents: Contents, number: int) -> str:
    return f"data-{short_length(contents.stages[number][0].context_length)}" if _has_windows(contents) else "data"


def _stage_name(kind: Kind, rung: Rung) -> str:
    return f"{kind}-{short_length(rung.context_length)}"


def short_length(length: int) -> str:
    """`32k` and `1m` for whole multiples of 1,024 and its square, else the number."""
    for unit, letter in ((2**20, "m"), (2**10, "k")):
        if length % unit == 0:
            return f"{length // unit}{letter}"
    return str(length)


def _fields(model: Model) -> dict[str, Any]:
    fields: dict[str, Any] = model.model_dump(by_alias=True, mode="json", exclude_defaults=True, exclude_none=True)
    return fields if model.vision is None else fields | {"vision": model.vision.model_dump(by_alias=True, exclude_none=True)}


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_inline(each)}" for name, each in value.items()) + "}"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """Plain where YAML reads it as it is, else quoted."""
    plain = text and not set(text) & set(" ,[]{}#&*!|>'\"%@`") and ": " not in text and text[0] not in "-?:" and text[0].isalpha()
    return text if plain else json.dumps(text)
