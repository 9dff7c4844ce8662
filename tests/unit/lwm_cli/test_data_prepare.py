import os

import pytest

from lwm_cli.data_prepare import TOKENIZER_THREADS, share_of_cores


@pytest.mark.parametrize(("cores", "workers", "threads"), [(8, 2, "4"), (8, 3, "2"), (2, 4, "1"), (None, 1, "1")])
def test_each_worker_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch, cores: int | None, workers: int, threads: str) -> None:
    monkeypatch.delenv(TOKENIZER_THREADS, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    with share_of_cores(workers):
        assert os.environ[TOKENIZER_THREADS] == threads
    assert TOKENIZER_THREADS not in os.environ


def test_the_users_own_number_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKENIZER_THREADS, "7")
    with share_of_cores(2):
        assert os.environ[TOKENIZER_THREADS] == "7"
    assert os.environ[TOKENIZER_THREADS] == "7"
