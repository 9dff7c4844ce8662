"""Checks of the checkpoint that spec.model.initFrom names, made before anything is compiled."""

import json
from typing import Any

from etils import epath

from lwm_trainer import config
from lwm_trainer.checkpoint import integrity
from lwm_trainer.checkpoint.lineage import find_origin
from lwm_trainer.checkpoint.manifest import first_difference, parse_model_manifest, with_vision_of
from lwm_trainer.runtime.errors import CheckpointMismatchError

FIELD = "spec.model.initFrom"
"""Named in errors about what the first stage begins with, because there it can be corrected."""

NAME_ANOTHER = "name a folder that `lwm convert` wrote, or the step folder of a training's finalCheckpoint"
COPY_AGAIN = "copy or convert it again"
JSON_FILES = ("manifest/metadata", "params/_METADATA")
REQUIRED = (*JSON_FILES, "params/manifest.ocdbt", "params/d")
"""Orbax's files of a whole checkpoint: the manifest, the tree of parameters, the index of their arrays, and the arrays."""


def require_init_checkpoint(run: config.RunConfig) -> None:
    """Check that the checkpoint is there, whole, and of this model. The tokenizer is compared later, when it has been read.

    Does nothing for an attempt that begins with anything else: a stage before, an earlier attempt's commit, a seed.
    Raises CheckpointMismatchError.
    """
    if run.stage_index > 0 or run.start.stage_checkpoint is None:
        return
    origin = find_origin(run)
    if origin.kind == "stage":
        _require_model(str(origin.checkpoint), run.model)


def _require_model(place: str, ours: config.Model) -> None:
    folder = epath.Path(place)
    if not folder.exists():
        raise CheckpointMismatchError(f"{FIELD}: {place}: there is no such folder: {NAME_ANOTHER}")
    for part in REQUIRED:
        if not (folder / part).exists():
            raise CheckpointMismatchError(
                f"{FIELD}: {place}: {part} is missing, so this is not a checkpoint, or an incomplete copy: {NAME_ANOTHER}"
            )
    # Plain reads, because only process 0 is here: all processes take part in a restore by Orbax.
    manifest, _ = (_json(place, folder, part) for part in JSON_FILES)
    if (damage := integrity.find_damage(folder / "params")) is not None:
        raise CheckpointMismatchError(f"{FIELD}: {place}: params/{damage}: {COPY_AGAIN}")
    theirs = parse_model_manifest(manifest, f"{FIELD}: {place}").model
    saved, expected = ({"model": model.model_dump(by_alias=True)} for model in (with_vision_of(theirs, ours), ours))
    if (difference := first_difference(saved, expected)) is not None:
        raise CheckpointMismatchError(
            f"{FIELD}: {place}: {difference.field} is {_text(difference.theirs)} there, but {_text(difference.ours)} in this training: "
            f"create the training anew with spec.{difference.field} as in the checkpoint, or name a checkpoint of this model"
        )


def _json(place: str, folder: epath.Path, part: str) -> Any:
    try:
        return json.loads((folder / part).read_text())
    except json.JSONDecodeError as error:
        raise CheckpointMismatchError(f"{FIELD}: {place}: {part} is not JSON ({error}): {COPY_AGAIN}") from error


def _text(value: object) -> str:
    return "absent" if value is None else str(value)
