"""The logits of converted models are transformers' own (tests/convert/reference.py wrote those down)."""

from pathlib import Path

import numpy as np
import pytest

from convert.ours import logits
from lwm_trainer.convert.__main__ import main
from unit.lwm_trainer.convert.test_round_trip import MODELS, NAMES


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    assert main(["from-hf", str(MODELS / name), str(tmp_path / "0")]) == 0
    with np.load(MODELS / name / "logits.npz") as reference:
        tokens, wanted = reference["tokens"], reference["logits"]
    assert np.abs(wanted).max() > 1, "a model that says something"
    np.testing.assert_allclose(logits(str(tmp_path / "0"), tokens), wanted, atol=2e-4)
