from pathlib import Path

import pytest

from lwm_trainer.fit.picture import draw, grouped
from lwm_trainer.fit.records import Fit

A_FIT = Fit(family="v5p", label="32K", limit=103 * 10**9, memory={"parameters": 2**34}, seconds={"matmul": 2.0, "loss": 0.5})


def test_a_picture_is_written(tmp_path: Path) -> None:
    draw([A_FIT], tmp_path / "fits.png")
    assert (tmp_path / "fits.png").read_bytes().startswith(b"\x89PNG")


def test_no_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fits: none"):
        draw([], tmp_path / "fits.png")


def test_what_is_small_in_every_bar_is_drawn_as_other_and_no_second_is_lost() -> None:
    found = grouped([{"matmul": 99.5, "loss": 0.4, "optimizer": 0.1}, {"matmul": 1.0, "loss": 1.0}])
    assert found == [{"matmul": 99.5, "loss": 0.4, "other": 0.1}, {"matmul": 1.0, "loss": 1.0, "other": 0}]
    assert grouped([{"a": 1.0, "b": 0.0}]) == [{"a": 1.0}]
