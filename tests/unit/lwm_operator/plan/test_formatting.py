import pytest

from lwm_operator.plan.formatting import count, duration


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (950, "950"), (4210, "4.2k"), (41_000, "41k"), (1_300_000, "1.3M"), (2e9, "2.0G")])
def test_counts(value: float, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(1, "5s"), (44, "45s"), (700, "12m"), (12_000, "3h20m"), (190_000, "2d4h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
