"""A training from pictures to a file: it learns, and a killed one continues bit for bit."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from lwm_trainer.data.errors import DataCorruptError, DataError
from lwm_trainer.vision.training import train as training
from lwm_trainer.vision.training import training_step
from lwm_trainer.vision.training.crops import crop_batch
from lwm_trainer.vision.training.recipe import Discriminator, Perceptual, TrainingRecipe
from lwm_trainer.vision.training.train import TOKENIZER, train
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer
from support.media_files import SIZE, picture
from support.tiny_vgg import tiny_vgg
from support.tiny_vqgan import TINY

RECIPE = TrainingRecipe(tokenizer=TINY, steps=40, batch=4)


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    (tmp_path / "media").mkdir()
    slope = np.linspace(0, 255, 4 * SIZE)
    for name, channels in {"a": (1, 0, 0), "b": (0, 1, 0.5), "c": (0.3, 0.3, 1)}.items():
        pixels = (slope[:, None, None] * np.array(channels) * (0.5 + 0.5 * (slope[None, :, None] > 128))).astype(np.uint8)
        (tmp_path / "media" / f"{name}.png").write_bytes(picture("PNG", Image.fromarray(pixels)))
    return [f"{tmp_path}/media"]


DEVICES = jax.devices()


@pytest.fixture(autouse=True)
def one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "devices", lambda: DEVICES[:1])


def test_two_devices_learn_what_one_does(pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = TrainingRecipe(tokenizer=TINY.model_copy(update={"multipliers": (1,)}), steps=3, batch=4)
    train(recipe, pictures, f"{tmp_path}/one", 3)
    monkeypatch.setattr(jax, "devices", lambda: DEVICES[:2])
    train(recipe, pictures, f"{tmp_path}/two", 3)
    one, two = (load_file(tmp_path / folder / "checkpoint.safetensors") for folder in ("one", "two"))
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, atol=1e-5, err_msg=name)
    monkeypatch.setattr(jax, "devices", lambda: DEVICES[:3])
    with pytest.raises(DataError, match="batch: 4 crops do not divide among 3 devices: set a multiple of it in the recipe"):
        train(recipe, pictures, f"{tmp_path}/three", 3)
    assert not (tmp_path / "three").exists(), "the recipe with another batch is not another one there"


class KilledError(Exception):
    pass


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(*arguments: object) -> np.ndarray:
        if arguments[-1] == step:
            raise KilledError
        return crop_batch(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "crop_batch", kill)


def test_with_a_perceptual_loss_and_a_discriminator_it_continues_bit_for_bit(
    pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # VGG16 itself takes long to compile, and has tests of its own.
    monkeypatch.setattr(
        training_step, "perceptual_loss", lambda trunk, made, true: jnp.mean(jnp.square(made - true)) * trunk[0][0]["bias"][0]
    )
    vgg = tmp_path / "vgg.safetensors"
    save_file(tiny_vgg(0), vgg)
    recipe = TrainingRecipe(
        tokenizer=TINY.model_copy(update={"image_size": 16, "multipliers": (1,)}),
        steps=6,
        batch=2,
        perceptual=Perceptual(weights=str(vgg)),
        discriminator=Discriminator(start_step=2, width=4, layers=1),
    )
    fingerprint = train(recipe, pictures, f"{tmp_path}/whole", 100)
    assert re.search(r"step 6: loss .*, perceptual -?\d\.\d{4}, adversarial .*, discriminator \d", capsys.readouterr().out)
    with monkeypatch.context() as patched:
        killed_at(5, patched)
        with pytest.raises(KilledError):
            train(recipe, pictures, f"{tmp_path}/parts", 4)
    assert train(recipe, pictures, f"{tmp_path}/parts", 4) == fingerprint
    last = [load_file(tmp_path / folder / "checkpoint.safetensors") for folder in ("whole", "parts")]
    assert sum("discriminator" in name for name in last[0]) > 10
    for name, value in last[0].items():
        np.testing.assert_array_equal(value, last[1][name], name)
    save_file(tiny_vgg(1), vgg)
    with pytest.raises(DataCorruptError, match=r"another recipe was trained there \(perceptual differ\)"):
        train(recipe, pictures, f"{tmp_path}/parts", 4)


def test_a_killed_training_continues_bit_for_bit(
    pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fingerprint = train(RECIPE, pictures, f"{tmp_path}/whole", 100)
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in capsys.readouterr().out.splitlines() if "loss" in line]
    assert losses[-1] < 0.8 * losses[0]
    assert read_tokenizer(f"{tmp_path}/whole/{TOKENIZER}").fingerprint == fingerprint

    with monkeypatch.context() as patched:
        killed_at(17, patched)
        with pytest.raises(KilledError):
            train(RECIPE, pictures, f"{tmp_path}/parts", 10)
    assert read_tokenizer(f"{tmp_path}/parts/{TOKENIZER}").source == "trained for 10 of 40 steps"
    assert train(RECIPE, pictures, f"{tmp_path}/parts", 10) == fingerprint
    assert "from step 10 to 40" in capsys.readouterr().out


def test_a_loss_that_is_not_finite_ends_it(pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverged(_: TrainingRecipe, adversarial: bool, state: object, *others: object) -> tuple[object, dict[str, float]]:
        return state, {"loss": float("nan"), "absolute": 1.0, "codes": 0}

    monkeypatch.setattr(training, "STEP", diverged)
    with pytest.raises(DataError, match=r"step 1: the loss is nan: lower optimizer"):
        train(RECIPE, pictures, f"{tmp_path}/out", 1)
