"""The notebook of the Python API, cell by cell: a real training, and what its cells print."""

import json
from pathlib import Path
from typing import Any

import pytest

from support import compiled_programs

NOTEBOOK = Path(__file__).parents[2] / "examples" / "python-api.ipynb"


def printed(cell: dict[str, Any]) -> str:
    """What the notebook shows below the cell."""
    return "".join("".join(output.get("text", ())) for output in cell["outputs"])


def test_its_cells_run_and_print_what_the_notebook_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first" / "checkpoints").mkdir(parents=True)
    (tmp_path / "first" / "checkpoints" / "compile-cache").symlink_to(compiled_programs.FOLDER)
    cells = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    values: dict[str, Any] = {}
    for cell in cells:
        exec("".join(cell["source"]), values)  # noqa: S102 - what a reader of the notebook does
        out = capsys.readouterr().out
        # Another processor, library or Python may round otherwise: words and the number of lines are what is promised.
        assert [line.split()[0] for line in out.splitlines()] == [line.split()[0] for line in printed(cell).splitlines()], cell["source"]
    record = values["record"]
    assert len(record) == 20
    assert record["loss"].iloc[-1] < record["loss"].iloc[0]
