"""Which unit tests take long: they compile programs, start processes or play many histories."""

from pathlib import Path

import pytest

UNIT = Path(__file__).parent
SLOW = (
    *(f"lwm_trainer/{room}" for room in ("checkpoint", "convert", "model", "ring", "sampling", "serving", "step", "vision")),
    *(f"lwm_cli/{place}" for place in ("evaluate", "local", "test_chat.py", "test_row_pictures.py", "test_sample.py", "test_serve.py")),
    "lwm_operator/plan/test_histories.py",
    "lwm_operator/plan/test_properties.py",
    "lwm_trainer/tracking/test_mlflow.py",
    "lwm_trainer/tracking/test_wandb.py",
    "quickstart/test_sample_pictures.py",
    "tools/test_check_packaging.py",
)
"""Folders and files below this one. `make test` runs them, `make check` does not."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if gone := [place for place in SLOW if not (UNIT / place).exists()]:
        raise pytest.UsageError(f"tests/unit/conftest.py: SLOW names {', '.join(gone)}, which do not exist: correct the list")
    for item in items:
        if item.path.is_relative_to(UNIT) and str(item.path.relative_to(UNIT)).startswith(SLOW):
            item.add_marker(pytest.mark.slow)
