"""One folder of texts for all gangs of a test process."""

from pathlib import Path

import pytest

from processes.gang import write_texts, write_tokenizer


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gang")
    write_texts(path / "texts")
    write_texts(path / "held-out", documents=4, seed=1)
    write_tokenizer(path / "tokenizer.json")
    return path
