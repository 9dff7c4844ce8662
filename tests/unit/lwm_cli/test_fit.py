"""`lwm fit --serve`: arithmetic alone; what compiles is tested with the TPU compiler."""

from pathlib import Path

import pytest

from lwm_cli.__main__ import main
from quickstart.options import EXAMPLE

MILLION = str(EXAMPLE.parent / "lwm-text-1m.yaml")


def test_a_stage_is_said_to_fit_with_few_rows_and_not_with_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", MILLION, "--stage", "text-1m", "--serve", "1"]) == 0
    assert "## text-1m: v5p 4x8x8, 1048576 tokens, 1 row: fits" in (output := capsys.readouterr().out)
    assert "cache 2.00 GiB" in output
    assert main(["fit", MILLION, "--stage", "text-1m", "--serve", "1000"]) == 1
    assert "1000 rows: does not fit: fewer rows, or a larger slice" in capsys.readouterr().out


def test_what_cannot_be_said_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(EXAMPLE.parent / "laptop.yaml"), "--serve", "1"]) == 2
    assert "its accelerator is no TPU" in capsys.readouterr().err
    assert main(["fit", MILLION, "--serve", "1", "--out", str(tmp_path)]) == 2
    assert "leave --out and --search out" in capsys.readouterr().err
