"""The perceptual distance against loops in float64, and weights that are refused by name."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.vision.training import perceptual
from lwm_trainer.vision.training.perceptual import BLOCKS, DEVIATION, MEAN, perceptual_loss, read_trunk
from support.tiny_vgg import tiny_vgg

FRAMES = np.random.default_rng(3).uniform(-1, 1, (2, 2, 16, 16, 3)).astype(np.float32)


def features(tensors: dict[str, Any], pixels: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Unit vectors after each block, [H, W, C], of one picture."""
    x, outputs = ((pixels + 1) / 2 - np.array(MEAN)) / np.array(DEVIATION), []
    for block, numbers in enumerate(BLOCKS):
        if block:
            x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max(axis=(1, 3))
        for number in numbers:
            weight, bias = (tensors[f"features.{number}.{part}"].astype(np.float64) for part in ("weight", "bias"))
            padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            out = np.zeros((*x.shape[:2], len(bias)))
            for row in range(x.shape[0]):
                for column in range(x.shape[1]):
                    out[row, column] = np.einsum("hwi,oihw->o", padded[row : row + 3, column : column + 3], weight) + bias
            x = np.maximum(out, 0)
        outputs.append(x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-10))
    return outputs


def test_the_distance_is_that_of_loops(tmp_path: Path) -> None:
    tensors = tiny_vgg(0)
    save_file(tensors | {"classifier.0.bias": np.zeros(1, np.float32)}, tmp_path / "vgg.safetensors")
    trunk = read_trunk(f"{tmp_path}/vgg.safetensors").trunk
    made, true = FRAMES
    expected = np.mean(
        [
            sum(np.mean(np.sum((a - b) ** 2, axis=-1)) for a, b in zip(features(tensors, one), features(tensors, other), strict=True))
            for one, other in zip(made.astype(np.float64), true.astype(np.float64), strict=True)
        ]
    )
    loss = jax.jit(partial(perceptual_loss, trunk))
    np.testing.assert_allclose(loss(made, true), expected, rtol=1e-5)
    assert expected > 0.1
    assert loss(true, true) < 1e-12


def test_the_gradient_is_finite_where_no_feature_is_active() -> None:
    gradient = jax.grad(lambda x: jnp.sum(jnp.square(perceptual._unit(x) - 1)))(jnp.zeros((1, 1, 1, 4)))
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features.17.bias": None}, "tensor features.17.bias is missing"),
        ({"lin0.model.1.weight": np.zeros(1, np.float32)}, "tensor lin0.model.1.weight and 0 more do not belong to it"),
        ({"features.2.weight": np.zeros((2, 5, 3, 3), np.float32)}, r"features.2.weight is \(2, 5, 3, 3\), and the layer before has 2"),
        ({"features.0.bias": np.full(2, np.inf, np.float32)}, "features.0.bias holds NaN or infinity"),
    ],
)
def test_weights_that_are_not_vgg16_are_refused_by_name(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    tensors = {name: value for name, value in (tiny_vgg(0) | changes).items() if value is not None}
    save_file(tensors, tmp_path / "vgg.safetensors")
    with pytest.raises(DataCorruptError, match=f"vgg.safetensors: no weights of VGG16 .*{message}.*: save the state_dict of torchvision"):
        read_trunk(f"{tmp_path}/vgg.safetensors")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "vgg.safetensors").write_bytes(b"x" * 99)
    with pytest.raises(DataCorruptError, match="no weights of VGG16"):
        read_trunk(f"{tmp_path}/vgg.safetensors")
    with pytest.raises(DataCorruptError, match="is a folder: name a safetensors file"):
        read_trunk(str(tmp_path))
