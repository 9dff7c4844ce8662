"""One folder of texts and compiled programs for all gangs of a test run."""

from pathlib import Path

import pytest

from processes.gang import write_texts, write_tokenizer


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gang")
    write_texts(path / "texts")
    write_tokenizer(path / "tokenizer.json")
    return path
