"""Where files lie."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UNIT = ROOT / "tests" / "unit"
SOURCES = {
    "lwm_cli": "cli/lwm_cli",
    "lwm_operator": "operator/lwm_operator",
    "lwm_trainer": "trainer/lwm_trainer",
    "support": "tests/support",
}
"""Packages that do not lie in the root of the repository."""
ABOUT_SEVERAL_MODULES = {
    "benchmarks/attention/test_results.py": "what the modules of the benchmark compute from measurements",
    "lwm_operator/plan/test_gate.py": "a gate from the end of its attempt to the next stage",
    "lwm_operator/plan/test_histories.py": "random histories of the whole plan",
    "lwm_operator/plan/test_properties.py": "random histories of the whole plan, shrunk by hypothesis",
    "lwm_operator/plan/test_purity.py": "the whole plan without clocks, files and sockets",
    "lwm_operator/plan/test_regressions.py": "bugs that random histories found",
    "lwm_operator/plan/test_timers.py": "every timer of the plan: its start, its end, and clocks that are set",
    "lwm_trainer/convert/test_round_trip.py": "reading and writing together",
    "lwm_trainer/convert/test_start.py": "a stage that starts from a converted model",
    "lwm_trainer/serving/test_page_in_browser.py": "the page, its scripts and the routes that they use, in a browser",
    "lwm_trainer/convert/test_vision.py": "the second vocabulary in both formats",
}
"""Tests that cover several modules of their folder."""
TESTS = [str(path.relative_to(UNIT)) for path in sorted(UNIT.rglob("test_*.py")) if path.relative_to(UNIT).parts[0] != "repository"]
"""Those in `repository` cover the whole checkout."""


def modules(test: str) -> list[Path]:
    """Where the module that a test file is named after may lie: `test_main.py` covers `__main__.py`."""
    package, *folders, file = Path(test).parts
    folder = ROOT.joinpath(SOURCES.get(package, package), *folders)
    name = Path(file).stem.removeprefix("test_")
    return [folder / f"{name}.py", folder / name / "__init__.py", *([folder / "__main__.py"] if name == "main" else [])]


@pytest.mark.parametrize("test", TESTS)
def test_a_unit_test_lies_where_its_module_lies(test: str) -> None:
    has_module = any(path.exists() for path in modules(test))
    assert has_module != (test in ABOUT_SEVERAL_MODULES), f"{test}: name it after one of {', '.join(map(str, modules(test)))}"


def test_every_listed_test_exists() -> None:
    assert ABOUT_SEVERAL_MODULES.keys() - set(TESTS) == set()


def test_no_python_file_lies_directly_in_operator_or_trainer() -> None:
    """A file in a folder named `operator` can shadow the standard library's module of that name and break the interpreter."""
    for folder in ("operator", "trainer"):
        assert list((ROOT / folder).iterdir()), folder
        assert [path.name for path in (ROOT / folder).glob("*.py")] == []


def test_no_folder_of_tests_is_a_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
