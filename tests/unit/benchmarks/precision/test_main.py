from pathlib import Path

import pytest

from benchmarks.precision.__main__ import BEGIN, END, GUIDE, HEAD, write


def test_a_table_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{BEGIN}\n{END}\n\nafter\n")
    for table in ("| first |", "| second |"):
        write(table, page)
    assert page.read_text() == f"before\n\n{BEGIN}\n\n| second |\n\n{END}\n\nafter\n"


def test_a_page_without_a_place_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(BEGIN)
    with pytest.raises(ValueError, match="the table's place is not marked"):
        write("| table |", page)
    assert page.read_text() == BEGIN


def test_the_guide_has_the_table() -> None:
    table = GUIDE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    assert table[0] == f"| {' | '.join(HEAD)} |"
    assert {row.split("|")[1].strip() for row in table[2:]} == {"1", "2", "8"}
