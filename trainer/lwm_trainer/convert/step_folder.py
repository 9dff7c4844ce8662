"""The step folder of a converted model: parameters and manifest, as in a checkpoint of a training."""

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import tensorstore
from etils import epath

from lwm_trainer.checkpoint import integrity
from lwm_trainer.checkpoint.manifest import ModelManifest, read_model_manifest
from lwm_trainer.convert.errors import WrongArgumentError, WrongStepFolderError
from lwm_trainer.convert.names import Parameter
from lwm_trainer.convert.streamed_save import AT_ONCE, StreamedArray, StreamedArrayHandler


def require_new(folder: str) -> None:
    """Raise WrongArgumentError for a folder that is not empty, or that cannot be made on this disk, before a conversion of hours begins."""
    path = epath.Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise WrongArgumentError(f"{folder}: exists already: name a new folder for OUT")
    if "://" in folder:
        return
    above = next(each for each in (Path(folder), *Path(folder).parents) if each.exists())
    if not above.is_dir():
        raise WrongArgumentError(f"{folder}: {above} is a file: name a new folder for OUT")
    if not os.access(above, os.W_OK | os.X_OK):
        raise WrongArgumentError(f"{folder}: {above} may not be written: name a new folder for OUT in one that may")


def write_step(folder: str, params: Any, manifest: ModelManifest, progress: Callable[[int], None] = lambda _: None) -> None:
    """Write parameters and manifest, committed together or not at all; `progress` is called with the bytes of every layer.

    Args:
        params: a tree like the model's parameters, of `StreamedArray`s.

    Each layer is a chunk of its own, so that an export reads it once. float32 is compressed, because half of it is zeros where it was
    bfloat16; bfloat16 is not, for that takes longer than writing it.
    """
    compressed = any(leaf.dtype == np.float32 for leaf in jax.tree.leaves(params))
    chunks = {
        part: jax.tree.map(lambda _, axes=axes: ocp.SaveArgs(shard_axes=axes), params[part])
        for part, axes in (("ends", ()), ("layers", (0,)))
    }
    items = {
        "params": ocp.args.PyTreeSave(params, save_args=chunks),
        "manifest": ocp.args.JsonSave(manifest.model_dump(mode="json", by_alias=True)),
    }
    with ThreadPoolExecutor(AT_ONCE) as pool:
        registry = ocp.type_handlers.create_type_handler_registry(
            (StreamedArray, StreamedArrayHandler(pool, progress)),
            (jax.Array, ocp.type_handlers.ArrayHandler()),  # without one, Orbax warns that arrays of JAX would lack metadata
        )
        handlers = {
            "params": ocp.PyTreeCheckpointHandler(use_compression=compressed, type_handler_registry=registry),
            "manifest": ocp.JsonCheckpointHandler(),
        }
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler(**handlers)) as checkpointer:
            try:
                with _quiet():
                    checkpointer.save(epath.Path(folder), args=ocp.args.Composite(**items))
            except Exception:
                _remove_uncommitted(epath.Path(folder))
                raise


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the tracebacks that Orbax logs of errors which it also raises."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _remove_uncommitted(folder: epath.Path) -> None:
    """What a save that failed has left: on a disk in a folder beside its own, in a bucket in its own."""
    for place in [folder, *folder.parent.glob(f"{folder.name}.orbax-checkpoint-tmp*")]:
        if place.exists():
            place.rmtree()


class StepFolder:
    """Reads a step folder, one parameter or some of its layers at a time."""

    def __init__(self, folder: str, ema: bool = False) -> None:
        """Open the folder, for its parameters or the average of them.

        Raises WrongStepFolderError when it is not a step folder, has no average, or is damaged.
        """
        item = "ema" if ema else "params"
        self._params = epath.Path(folder) / item
        if not (epath.Path(folder) / "params" / "_METADATA").exists():
            raise WrongStepFolderError(
                f"{folder}: not a step folder: give one that has params/ in it, from "
                "`status.stages[].finalCheckpoint.path` or from a conversion"
            )
        if ema and not (self._params / "_METADATA").exists():
            raise WrongStepFolderError(
                f"{folder}: has no average of parameters: leave out --ema, or name a step folder of a stage with optimizer.emaDecay"
            )
        if (damage := integrity.find_damage(self._params)) is not None:
            raise WrongStepFolderError(f"{folder}: {item}/{damage}: copy it again, or name another step folder")
        self.manifest = read_model_manifest(folder)
        self._zarr3 = bool(json.loads((self._params / "_METADATA").read_text()).get("use_zarr3", False))
        self._open: dict[tuple[str, ...], Any] = {}

    def layer(self, parameter: Parameter, layer: int | slice) -> np.ndarray[Any, Any]:
        """Read one layer of a parameter, or several for a slice, [layers, ...], in the dtype of the checkpoint.

        Reading many layers at once is faster in a training's checkpoint: there a chunk holds a device's part of all layers, and is read as
        a whole.
        """
        if parameter.path not in self._open:
            self._open[parameter.path] = self._array(parameter)
        array = self._open[parameter.path]
        return np.asarray((array if parameter.layers is None else array[layer]).read().result())

    def locate(self, parameter: Parameter, layer: int) -> str:
        """The folder and array of one layer of a parameter, for messages."""
        place = f"{self._params}: {'.'.join(parameter.path)}"
        return place if parameter.layers is None else f"{place}, layer {layer}"

    def _array(self, parameter: Parameter) -> Any:
        store = {"driver": "ocdbt", "base": integrity.kvstore_spec(self._params), "path": f"{'.'.join(parameter.path)}/"}
        try:
            array = tensorstore.open({"driver": "zarr3" if self._zarr3 else "zarr", "kvstore": store}, read=True, open=True).result()
        except ValueError as error:
            raise WrongStepFolderError(
                f"{self._params}: cannot open {'.'.join(parameter.path)}: {error}: is the checkpoint whole?"
            ) from error
        if array.shape != parameter.stacked_shape:
            raise WrongStepFolderError(
                f"{self._params}: {'.'.join(parameter.path)} is {array.shape}, but the manifest makes it {parameter.stacked_shape}"
            )
        return array
