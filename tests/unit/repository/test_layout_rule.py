from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_no_python_file_lies_directly_in_operator_or_trainer() -> None:
    """A file in a folder named `operator` can shadow the standard library's module of that name and break the interpreter."""
    for folder in ("operator", "trainer"):
        assert list((ROOT / folder).iterdir()), folder
        assert [path.name for path in (ROOT / folder).glob("*.py")] == []


def test_no_folder_of_tests_is_a_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
