import pytest

from lwm_trainer.config import HIDDEN_VARIABLES
from lwm_trainer.runtime.redaction import redact


def test_values_of_secrets_are_hidden_line_by_line_and_the_longest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HIDDEN_VARIABLES, "TOKEN,KEY,UNSET")
    monkeypatch.setenv("TOKEN", "hunter2")
    monkeypatch.setenv("KEY", "-----BEGIN-----\nhunter2hunter2\n-----END-----\n")
    monkeypatch.setenv("OTHER", "common-word")
    assert redact("401 for hunter2, not for common-word") == "401 for …, not for common-word"
    assert redact("no key: hunter2hunter2") == "no key: …"


def test_short_values_stay_or_no_sentence_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HIDDEN_VARIABLES, "FLAG")
    monkeypatch.setenv("FLAG", "true")
    assert redact("it is true") == "it is true"


def test_no_address_tells_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HIDDEN_VARIABLES, raising=False)
    assert redact("GET https://user:pass@proxy:3128/a@b: 407") == "GET https://…@proxy:3128/a@b: 407"
    assert redact("gs://lwm/books, host a@b") == "gs://lwm/books, host a@b"
