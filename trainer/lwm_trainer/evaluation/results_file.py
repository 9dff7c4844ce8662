"""A file of results that grows line by line, and is taken up again by the run that began it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lwm_trainer.evaluation.suite import SuiteError

Line = dict[str, Any]


class ResultsFile:
    """JSON lines; the first one says which run the others belong to."""

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        """Open the file, or begin it. A last line that was not written whole is taken off.

        Raises SuiteError where the file belongs to another run or cannot be read.
        """
        self.path = path
        self.earlier: list[Line] = []
        """The lines of the file when it was opened."""
        run = json.loads(json.dumps(run))
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith("\n")]
        if len(whole) < 2:  # no result: whose file it was does not matter
            path.write_text(json.dumps(run) + "\n", encoding="utf-8")
            return
        if self._parse(1, whole[0]) != run:
            raise SuiteError(f"{path}: holds results of another checkpoint or other settings: name another folder, or remove it")
        if len(whole) < len(lines):
            path.write_text("".join(whole), encoding="utf-8")
        self.earlier = [self._parse(number, line) for number, line in enumerate(whole[1:], start=2)]

    def append(self, line: Line) -> None:
        """Add a line, in one write."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def no_result(self, index: int, problem: object) -> SuiteError:
        """The error for the line of this index in `earlier`."""
        return SuiteError(f"{self.path}:{index + 2}: is no result of this suite ({problem}): name another folder, or remove it")

    def _parse(self, number: int, line: str) -> Line:
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise SuiteError(f"{self.path}:{number}: is not JSON ({error.msg}): name another folder, or remove the line") from error
        if not isinstance(value, dict):
            raise SuiteError(f"{self.path}:{number}: is no JSON object: name another folder, or remove the line")
        return value
