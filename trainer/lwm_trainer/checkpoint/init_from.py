"""Whether the first stage can begin with what spec.model.initFrom names, asked before anything is compiled."""

import json
from typing import Any

import pydantic
from etils import epath

from lwm_trainer import config
from lwm_trainer.checkpoint import integrity
from lwm_trainer.checkpoint.checkpointer import INIT_FROM, OF_ACTIVATIONS, as_model_manifest, difference, grown_to
from lwm_trainer.checkpoint.lineage import find_origin
from lwm_trainer.runtime.errors import CheckpointMismatchError

USE = "name a folder that `lwm convert` wrote, or the step folder of a training's finalCheckpoint"
AGAIN = "copy or convert it again"
JSON = ("manifest/metadata", "params/_METADATA")
PARTS = (*JSON, "params/manifest.ocdbt", "params/d")
"""Of Orbax: what the checkpoint says of itself; its parameters' tree, the index of their arrays, the arrays."""


def require_pretrained(run: config.RunConfig) -> None:
    """Does nothing for an attempt that begins with anything else: a stage before, an earlier attempt's commit, a seed.

    Raises CheckpointMismatchError for a folder that is not there or holds no checkpoint, or not all of one, or for another model. The
    tokenizer is compared when it has been read.
    """
    if run.stage_index > 0 or run.start.stage_checkpoint is None:
        return
    origin = find_origin(run)
    if origin.kind == "stage":
        _require_model(str(origin.checkpoint), run.model)


def _require_model(place: str, ours: config.Model) -> None:
    folder = epath.Path(place)
    if not folder.exists():
        raise CheckpointMismatchError(f"{INIT_FROM}: {place}: there is no such folder: {USE}")
    for part in PARTS:
        if not (folder / part).exists():
            raise CheckpointMismatchError(
                f"{INIT_FROM}: {place}: {part} is missing, so it is no checkpoint, or a copy that was cut short: {USE}"
            )
    # Process 0 asks alone: Orbax's own reading is one that all processes take part in.
    manifest, _ = (_json(place, folder, part) for part in JSON)
    if (damage := integrity.damage(folder / "params")) is not None:
        raise CheckpointMismatchError(f"{INIT_FROM}: {place}: params/{damage}: {AGAIN}")
    try:
        theirs = as_model_manifest(manifest).model
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CheckpointMismatchError(
            f"{INIT_FROM}: {place}: its manifest cannot be read: {where}: {first['msg']}: "
            "was it written by another version? Convert it again"
        ) from error
    found, wanted = ({"model": model.model_dump(by_alias=True)} for model in (grown_to(theirs, ours), ours))
    if (other := difference(found, wanted, OF_ACTIVATIONS)) is not None:
        raise CheckpointMismatchError(
            f"{INIT_FROM}: {place}: {other.field} is {_said(other.theirs)} there, but {_said(other.ours)} in this training: "
            f"create the training anew with spec.{other.field} as in the checkpoint, or name a checkpoint of this model"
        )


def _json(place: str, folder: epath.Path, part: str) -> Any:
    try:
        return json.loads((folder / part).read_text())
    except json.JSONDecodeError as error:
        raise CheckpointMismatchError(f"{INIT_FROM}: {place}: {part} is no JSON ({error}): {AGAIN}") from error


def _said(value: object) -> str:
    return "absent" if value is None else str(value)
