"""That MFU counts the work that the definitions name, and all devices."""

import pytest

from lwm_trainer.tracking.utilization import Utilization
from support.builders import a_run


def test_mfu_is_the_share_of_all_devices_peak() -> None:
    # The multiplied parameters of a_run's model: per layer 64 x 128 + 64 x 64 + 3 x 64 x 128, and the head 64 x 128.
    parameters = 2 * (64 * 128 + 64 * 64 + 3 * 64 * 128) + 64 * 128
    expected = 6 * 512 * parameters / 0.5 / (8 * 1e12)
    attention = 3 * 2 * 2 * 4 * 16 * 8 * 64**2 / 0.5 / (8 * 1e12)
    assert Utilization(a_run(), 1e12).of_step(0.5) == pytest.approx({"parameters": expected, "model": expected + attention})


def test_there_is_no_share_of_an_unknown_peak() -> None:
    assert Utilization(a_run(), None).of_step(0.5) == {}
