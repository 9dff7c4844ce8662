import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BELOW_TESTS = ("benchmarks", "cli", "devcluster", "operator", "quickstart", "tools", "trainer")
ORDER = ("benchmarks", "quickstart", "devcluster", "tools")
"""Each imports only what stands after it."""


def imported(folder: str) -> Iterator[tuple[str, str]]:
    """(file, top-level package) of each import below the folder."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                yield str(path.relative_to(ROOT)), name.partition(".")[0]


@pytest.mark.parametrize("folder", BELOW_TESTS)
def test_nothing_of_the_product_stands_on_tests(folder: str) -> None:
    tests = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} | {"tests", "conftest"}
    assert [arrow for arrow in imported(folder) if arrow[1] in tests] == []


@pytest.mark.parametrize("folder", ORDER)
def test_programs_for_developers_stand_in_one_order(folder: str) -> None:
    above = ORDER[: ORDER.index(folder)]
    assert [arrow for arrow in imported(folder) if arrow[1] in above] == []


@pytest.mark.parametrize("folder", ["cli", "operator", "trainer"])
def test_what_is_shipped_imports_no_program_for_developers(folder: str) -> None:
    assert [arrow for arrow in imported(folder) if arrow[1] in ORDER] == []
