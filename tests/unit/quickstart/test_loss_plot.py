"""The picture is made without a display, for one stage or several."""

from pathlib import Path

import numpy as np
import pytest

from quickstart.loss_plot import draw, label_position, smooth
from quickstart.results import StageRecord


def stage(name: str, steps: int) -> StageRecord:
    losses = np.linspace(7, 5, steps, dtype=np.float32)
    return StageRecord(name, "gs://lwm/runs/x/60", 512, 10000.0, losses, losses, losses.view(np.uint32))


@pytest.mark.parametrize("steps", [[60, 40, 30], [1]])
def test_it_is_a_picture(tmp_path: Path, steps: list[int]) -> None:
    path = tmp_path / "new" / "loss.png"
    draw([stage(f"ctx{number}", count) for number, count in enumerate(steps)], 5.95, path, "bible")
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 10_000


def test_the_label_of_a_loss_stands_on_the_nearer_side_clear_of_the_curve() -> None:
    assert label_position(np.array([4, 3, 2], np.float32)) == (4.0, True)
    assert label_position(np.array([2, 3, 4], np.float32)) == (2.0, False)
    assert label_position(np.array([3, 3.5, 1], np.float32)) == (3.5, True)


def test_the_smoothed_line_has_the_mean_around_each_step() -> None:
    means = smooth(np.array([0, 7, 0, 0, 0, 0, 0, 0, 0, 3], np.float32))
    assert means[4] == 1.0
    assert means[0] == 7 / 4
    assert means[-1] == 3 / 4
    assert smooth(np.array([2.0], np.float32)).tolist() == [2.0]
