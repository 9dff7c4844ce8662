"""The last words and the exit code, once."""

import threading
import time
from pathlib import Path

import pytest

from lwm_trainer.config import ExitCode, TerminationMessage
from lwm_trainer.runtime import exit
from lwm_trainer.runtime.exit import leave, reason_of


class GoneError(Exception):
    pass


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def gone(code: int) -> None:
        raise GoneError(code)

    monkeypatch.setattr(exit, "_leaving", threading.Lock())
    monkeypatch.setattr("os._exit", gone)
    monkeypatch.setenv("LWM_TERMINATION_PATH", str(tmp_path / "last"))
    return tmp_path / "last"


def test_a_reason_is_the_code_in_camel_case_or_narrower(words: Path) -> None:
    assert [reason_of(code) for code in (ExitCode.BAD_DATA, ExitCode.HANG, ExitCode.SAVED_ON_REQUEST)] == [
        "BadData",
        "Hang",
        "SavedOnRequest",
    ]
    with pytest.raises(GoneError, match="65"):
        leave(ExitCode.BAD_DATA, "no bucket", reason="BucketMissing", step=4)
    assert TerminationMessage.model_validate_json(words.read_text()) == TerminationMessage(
        code=65, reason="BucketMissing", message="no bucket", step=4
    )


def test_the_first_that_leaves_decides(words: Path) -> None:
    with pytest.raises(GoneError, match="76"):
        leave(ExitCode.HANG, "first")
    later = threading.Thread(target=leave, args=(ExitCode.PEER_LOST, "second"), daemon=True)
    later.start()
    later.join(0.2)
    assert later.is_alive(), "waits for the end of the process"
    assert TerminationMessage.model_validate_json(words.read_text()).message == "first"


@pytest.mark.parametrize(("code", "stays"), [(ExitCode.DIVERGED, True), (ExitCode.BAD_DATA, False)])
def test_the_coordinator_lets_others_speak_where_all_end_for_one_reason(
    words: Path, monkeypatch: pytest.MonkeyPatch, code: ExitCode, stays: bool
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(GoneError):
        leave(code, "", coordinator=True)
    assert (sum(slept) > 0) is stays
