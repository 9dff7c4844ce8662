import io
from pathlib import Path

import pytest

from devcluster.build_progress import LINK_BYTES, BuildProgress, ProgressLine, linked_programs, minutes, source_bytes


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_only_stale_packages_count_by_their_source(tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text("x" * 30)
    (tmp_path / "b.go").write_text("x" * 12)
    listing = f"example.com/a\t{tmp_path}\ta.go b.go\ttrue\nexample.com/b\t{tmp_path}\tb.go\tfalse\nunsafe\t/nowhere\t\ttrue\n"
    assert source_bytes(listing) == {"example.com/a": 42, "unsafe": 0}


def test_a_package_counts_once_by_its_size_and_a_link_at_the_end() -> None:
    progress = BuildProgress({"a": 3 * LINK_BYTES, "b": 4 * LINK_BYTES}, programs=1)
    assert progress.fraction() == 0
    assert progress.read("a")
    assert not progress.read("a")
    assert progress.fraction() == 3 / 8
    assert progress.read("b")
    assert progress.fraction() == 7 / 8
    progress.linked = 1
    assert progress.fraction() == 1


def test_what_the_compiler_complains_about_is_no_progress() -> None:
    progress = BuildProgress({"example.com/a": 1}, programs=1)
    assert not progress.read("# example.com/a")
    assert not progress.read("a.go:1:1: syntax error")
    assert progress.fraction() == 0


def test_time_left_is_in_proportion_to_the_work_left() -> None:
    progress = BuildProgress({"a": LINK_BYTES}, programs=3)
    assert progress.text(10) == "0 %, 0:10 min so far"
    progress.read("a")
    assert progress.text(60) == "25 %, 1:00 min so far, about 3:00 min left"


def test_nothing_to_do_is_done() -> None:
    assert BuildProgress({}, programs=0).fraction() == 1


def test_a_file_gets_a_line_for_each_milestone() -> None:
    out = io.StringIO()
    line = ProgressLine(out)
    for percent in (0, 4, 9, 11, 35, 36):
        line.show(f"{percent} %", percent // 10)
    line.end()
    assert out.getvalue() == "0 %\n11 %\n35 %\n"


def test_a_terminal_gets_one_line_that_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    line = ProgressLine(out)
    line.show("4 %", 0)
    line.show("5 %", 0)
    line.end()
    assert out.getvalue() == "\r\x1b[2K4 %\r\x1b[2K5 %\n"


def test_a_dumb_terminal_is_not_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    out = Terminal()
    line = ProgressLine(out)
    line.show("4 %", 0)
    line.show("5 %", 0)
    line.end()
    assert out.getvalue() == "4 %\n"


def test_programs_are_linked_once_their_file_is_there(tmp_path: Path) -> None:
    (tmp_path / "helm").touch()
    assert linked_programs(tmp_path, ["helm", "server"]) == 1


def test_minutes() -> None:
    assert minutes(187.4) == "3:07 min"
