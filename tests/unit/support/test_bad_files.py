import sys
from pathlib import Path

import pytest

from support import bad_files

KUBECTL = """#!{python} -IS
import pathlib, sys
path = pathlib.Path(sys.argv[-1].removeprefix("--filename="))
if "wrong" in path.read_text():
    sys.exit(f'Error from server: error when creating "{{path}}": a | b')
"""


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubectl that refuses files with the word wrong, as does `lwm`."""
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(bad_files, "binaries", lambda: tmp_path)
    monkeypatch.setattr(bad_files, "lwm_says", lambda path: "line 1: it is wrong" if "wrong" in path.read_text() else "")


def test_the_table_has_sixty_kinds_and_none_of_them_twice() -> None:
    kinds = [file.kind for file in bad_files.files() if file.refused_by_lwm and file.refused_by_kubectl]
    assert len(set(kinds)) == len(kinds) >= 60


@pytest.mark.usefixtures("kubectl")
def test_both_are_shown_and_a_difference_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    table = [bad_files.File("bad", "wrong", True, True), bad_files.File("fine", "right", False, False)]
    monkeypatch.setattr(bad_files, "files", lambda: table)
    assert bad_files.main(["--kubeconfig=x"]) == 0
    out = capsys.readouterr().out
    assert "| bad | line 1: it is wrong | Error from server: a \\| b |\n| fine | takes it | takes it |\n" in out
    assert "1 kinds of bad files" in out
    table.append(bad_files.File("typo", "right", True, True))
    assert bad_files.main(["--kubeconfig=x"]) == 1
    assert "not as it must be: typo" in capsys.readouterr().out


def test_lwm_says_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: [\n")
    assert bad_files.lwm_says(path).startswith("line 2 is not YAML")
