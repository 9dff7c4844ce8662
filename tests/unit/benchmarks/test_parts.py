import argparse
from collections.abc import Iterable

import pytest

from benchmarks.parts import OutOfTimeError, chosen, collect

Row = tuple[str, str]


def good(_: int) -> Iterable[Row]:
    return [("good", "")]


def breaks(_: int) -> Iterable[Row]:
    raise ValueError("no such pod")


def slow(_: int) -> Iterable[Row]:
    yield ("begun", "")
    raise OutOfTimeError("not done after 15 minutes")


def test_what_breaks_is_a_row_that_says_so_and_what_was_measured_stays() -> None:
    known = {"a": breaks, "b": good, "c": slow, "d": good}
    assert list(collect(known, ["a", "b", "c", "d"], 0, lambda part, why: (part, why))) == [
        ("a", "ValueError: no such pod"),
        ("good", ""),
        ("begun", ""),
        ("c and what follows it", "not done after 15 minutes"),
    ]


def test_parts_are_chosen_by_name_and_all_are_usual(capsys: pytest.CaptureFixture[str]) -> None:
    assert chosen(argparse.ArgumentParser(), "ab", [])[1] == ["a", "b"]
    assert chosen(argparse.ArgumentParser(), "ab", ["--parts", "b"])[1] == ["b"]
    with pytest.raises(SystemExit):
        chosen(argparse.ArgumentParser(), "ab", ["--parts", "b,c"])
    assert "no c; there are a, b" in capsys.readouterr().err
