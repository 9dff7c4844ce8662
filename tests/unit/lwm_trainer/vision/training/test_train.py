"""A training from pictures to a file: it learns, and a killed one continues bit for bit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lwm_trainer.data.errors import DataError
from lwm_trainer.vision.training import train as training
from lwm_trainer.vision.training.crops import crop_batch
from lwm_trainer.vision.training.recipe import TrainingRecipe
from lwm_trainer.vision.training.train import TOKENIZER, train
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer
from support.media_files import SIZE, picture
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


def test_a_killed_training_continues_bit_for_bit(
    pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fingerprint = train(RECIPE, pictures, f"{tmp_path}/whole", 100)
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in capsys.readouterr().out.splitlines() if "loss" in line]
    assert losses[-1] < 0.8 * losses[0]
    assert read_tokenizer(f"{tmp_path}/whole/{TOKENIZER}").fingerprint == fingerprint

    class KilledError(Exception):
        pass

    def kill(*arguments: object) -> np.ndarray:
        if arguments[-1] == 17:
            raise KilledError
        return crop_batch(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "crop_batch", kill)
    with pytest.raises(KilledError):
        train(RECIPE, pictures, f"{tmp_path}/parts", 10)
    monkeypatch.undo()
    assert read_tokenizer(f"{tmp_path}/parts/{TOKENIZER}").source == "trained for 10 of 40 steps"
    assert train(RECIPE, pictures, f"{tmp_path}/parts", 10) == fingerprint
    assert "from step 10 to 40" in capsys.readouterr().out


def test_a_loss_that_is_not_finite_ends_it(pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverged(_: TrainingRecipe, state: object, frames: object) -> tuple[object, dict[str, float]]:
        return state, {"loss": float("nan"), "absolute": 1.0, "codes": 0}

    monkeypatch.setattr(training, "STEP", diverged)
    with pytest.raises(DataError, match=r"step 1: the loss is nan: lower optimizer"):
        train(RECIPE, pictures, f"{tmp_path}/out", 1)
