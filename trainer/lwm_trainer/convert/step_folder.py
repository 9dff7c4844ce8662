"""The step folder of a converted model: parameters and manifest, as a training's checkpoint has them."""

import json
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import tensorstore
from etils import epath

from lwm_trainer.checkpoint import integrity
from lwm_trainer.checkpoint.manifest import ModelManifest, read_model_manifest
from lwm_trainer.convert.errors import WrongArgumentError, WrongStepFolderError
from lwm_trainer.convert.names import Leaf
from lwm_trainer.model.llama import Params


def require_absent(folder: str) -> None:
    """Raises WrongArgumentError for a folder with something in it, before hours are spent."""
    path = epath.Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise WrongArgumentError(f"{folder}: exists already: name a new folder for OUT")


def write_step(folder: str, params: Params, manifest: ModelManifest) -> None:
    """Both items, committed together or not at all."""
    items = {
        "params": ocp.args.StandardSave(params),
        "manifest": ocp.args.JsonSave(manifest.model_dump(mode="json", by_alias=True)),
    }
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        checkpointer.save(epath.Path(folder), args=ocp.args.Composite(**items))


class StepFolder:
    """Reads one parameter at a time, or some of its layers. Raises WrongStepFolderError for what is no step folder."""

    def __init__(self, folder: str) -> None:
        self._params = epath.Path(folder) / "params"
        if not (self._params / "_METADATA").exists():
            raise WrongStepFolderError(
                f"{folder}: no step folder: give one that `status.checkpoint` or a conversion named, with params/ in it"
            )
        if (damage := integrity.find_damage(self._params)) is not None:
            raise WrongStepFolderError(f"{folder}: params/{damage}: copy it again, or name another step folder")
        self.manifest = read_model_manifest(folder)
        self._zarr3 = bool(json.loads((self._params / "_METADATA").read_text()).get("use_zarr3", False))
        self._open: dict[tuple[str, ...], Any] = {}

    def layer(self, leaf: Leaf, layer: int | slice) -> np.ndarray[Any, Any]:
        """[*leaf.shape] in the dtype of the checkpoint, [layers, *leaf.shape] for a slice of a layers' parameter.

        Better many at once: what a device held of a parameter, of all layers, is one chunk of the file, read and unpacked as a whole.
        """
        if leaf.path not in self._open:
            self._open[leaf.path] = self._array(leaf)
        array = self._open[leaf.path]
        return np.asarray((array if leaf.layers is None else array[layer]).read().result())

    def _array(self, leaf: Leaf) -> Any:
        store = {"driver": "ocdbt", "base": integrity.kvstore_spec(self._params), "path": f"{'.'.join(leaf.path)}/"}
        try:
            array = tensorstore.open({"driver": "zarr3" if self._zarr3 else "zarr", "kvstore": store}, read=True, open=True).result()
        except ValueError as error:
            raise WrongStepFolderError(f"{self._params}: cannot open {'.'.join(leaf.path)}: {error}: is the checkpoint whole?") from error
        if array.shape != leaf.stacked_shape:
            raise WrongStepFolderError(
                f"{self._params}: {'.'.join(leaf.path)} is {array.shape}, but the manifest makes it {leaf.stacked_shape}"
            )
        return array
