"""The wheel in a clean environment without any extra: each command says in one sentence which one it needs.

Needs the package registry (or uv's cache), unlike the other fast tests.
"""

import sys
from pathlib import Path

from tools.check_packaging import build_wheel, check


def test_a_command_without_its_extra_names_the_extra(tmp_path: Path) -> None:
    assert check(build_wheel(tmp_path), "", sys.executable, tmp_path / "venv") == []
