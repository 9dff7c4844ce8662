"""One folder of texts for all gangs of a test process, and which tests may run side by side."""

from pathlib import Path

import pytest

from processes.gang import write_texts, write_tokenizer


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gangs run one after the other, since each takes both cores; every other file stays in one process for its compiled programs."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            gang = hasattr(getattr(item, "module", None), "Gang")
            item.add_marker(pytest.mark.xdist_group("gangs" if gang else item.path.name))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gang")
    write_texts(path / "texts")
    write_tokenizer(path / "tokenizer.json")
    return path
