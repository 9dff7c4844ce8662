"""A conversion holds a few layers, whatever the size of the model, and leaves nothing where it fails."""

import shutil
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from lwm_trainer.checkpoint.manifest import ModelManifest
from lwm_trainer.config import ExitCode, Model
from lwm_trainer.convert.__main__ import main
from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.names import model_parameters
from lwm_trainer.convert.step_folder import StepFolder, write_step
from lwm_trainer.convert.streamed_save import AT_ONCE, StreamedArray
from unit.lwm_trainer.convert.test_round_trip import MODELS, tensors

LAYERS = 24
MODEL = Model(layers=LAYERS, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=32)


class Source:
    """Parameters whose values say which layer they are; it counts the arrays that it has given and that still exist."""

    def __init__(self, broken_layer: int | None = None) -> None:
        self.alive, self.most, self.reads, self._broken, self._lock = 0, 0, 0, broken_layer, threading.Lock()

    def tree(self) -> Any:
        """As `write_step` takes it."""
        tree: dict[str, Any] = {}
        for parameter in model_parameters(MODEL):
            *folders, name = parameter.path
            place = tree
            for folder in folders:
                place = place.setdefault(folder, {})

            def read(layer: int, shape: tuple[int, ...] = parameter.shape) -> np.ndarray[Any, Any]:
                return self._values(layer, shape)

            place[name] = StreamedArray(shape=parameter.stacked_shape, dtype=np.dtype(np.float32), layers=parameter.layers, read=read)
        return tree

    def _values(self, layer: int, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        if layer == self._broken:
            raise ConversionError("layer 7 is damaged")
        values = np.full(shape, layer + 1, np.float32)
        with self._lock:
            self.alive, self.reads = self.alive + 1, self.reads + 1
            self.most = max(self.most, self.alive)
        weakref.finalize(values, self._forget)
        return values

    def _forget(self) -> None:
        with self._lock:
            self.alive -= 1


MANIFEST = ModelManifest(model=MODEL, context_length=64, rope_theta=500.0)


def test_each_layer_is_read_once_and_only_a_few_are_alive(tmp_path: Path) -> None:
    source = Source()
    written: list[int] = []
    write_step(str(tmp_path / "0"), source.tree(), MANIFEST, written.append)
    parameters = model_parameters(MODEL)
    assert source.reads == sum(parameter.layers or 1 for parameter in parameters) == len(written)
    assert sum(written) == sum(4 * int(np.prod(parameter.stacked_shape)) for parameter in parameters)
    assert 1 <= source.most <= AT_ONCE
    step = StepFolder(str(tmp_path / "0"))
    for parameter in parameters:
        for layer in range(parameter.layers or 1):
            np.testing.assert_array_equal(step.layer(parameter, layer), np.full(parameter.shape, layer + 1, np.float32))


def test_an_import_that_fails_in_a_late_layer_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="layer 7 is damaged"):
        write_step(str(tmp_path / "0"), Source(broken_layer=7).tree(), MANIFEST)
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_the_tensor_and_may_be_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "theirs"
    shutil.copytree(MODELS / "wide_heads", folder)
    changed = tensors(folder)
    changed["model.layers.1.mlp.up_proj.weight"][0, 0] = np.nan
    save_file(changed, folder / "model.safetensors", metadata={"format": "pt"})
    assert main(["from-hf", str(folder), str(tmp_path / "0")]) == ExitCode.BAD_DATA
    assert "tensor model.layers.1.mlp.up_proj.weight: of" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]
