"""The termination message and the exit code, written once."""

import threading
import time
from pathlib import Path

import pytest

from lwm_trainer.config import ExitCode, FinalReport, TerminationMessage
from lwm_trainer.runtime import exit
from lwm_trainer.runtime.exit import exit_process, reason_of, write_termination_message

FINAL = FinalReport(checkpoint="gs://lwm/runs/x/60", step=60, state_hash="a" * 64, record_hash="b" * 64)


class GoneError(Exception):
    pass


@pytest.fixture
def termination_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def gone(code: int) -> None:
        raise GoneError(code)

    monkeypatch.setattr(exit, "_exiting", threading.Lock())
    monkeypatch.setattr("os._exit", gone)
    monkeypatch.setenv("LWM_TERMINATION_PATH", str(tmp_path / "last"))
    return tmp_path / "last"


def test_a_reason_is_the_code_in_camel_case_or_narrower(termination_file: Path) -> None:
    assert [reason_of(code) for code in (ExitCode.BAD_DATA, ExitCode.HANG, ExitCode.SAVED_ON_REQUEST)] == [
        "BadData",
        "Hang",
        "SavedOnRequest",
    ]
    with pytest.raises(GoneError, match="65"):
        exit_process(ExitCode.BAD_DATA, "no bucket", reason="BucketMissing", step=4)
    assert TerminationMessage.model_validate_json(termination_file.read_text()) == TerminationMessage(
        code=65, reason="BucketMissing", message="no bucket", step=4
    )


def test_the_first_that_exits_decides(termination_file: Path) -> None:
    with pytest.raises(GoneError, match="76"):
        exit_process(ExitCode.HANG, "first")
    later = threading.Thread(target=exit_process, args=(ExitCode.PEER_LOST, "second"), daemon=True)
    later.start()
    later.join(0.2)
    assert later.is_alive(), "waits for the end of the process"
    assert TerminationMessage.model_validate_json(termination_file.read_text()).message == "first"


@pytest.mark.parametrize(("code", "stays"), [(ExitCode.DIVERGED, True), (ExitCode.BAD_DATA, False)])
def test_the_coordinator_waits_for_the_others_where_all_exit_for_one_reason(
    termination_file: Path, monkeypatch: pytest.MonkeyPatch, code: ExitCode, stays: bool
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(GoneError):
        exit_process(code, "", coordinator=True)
    assert (sum(slept) > 0) is stays


@pytest.mark.parametrize("message", ["short", "long " * 3000, 'ü\n"' * 3000, "\x00🙂" * 3000])
def test_a_termination_message_fits_and_stays_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    monkeypatch.setenv("LWM_TERMINATION_PATH", str(tmp_path / "log"))
    write_termination_message(TerminationMessage(code=65, reason="BadData", message=message, step=3, final=FINAL))
    written = (tmp_path / "log").read_bytes()
    assert len(written) <= 4096
    termination = TerminationMessage.model_validate_json(written)
    assert message.startswith(termination.message)
    assert len(termination.message) > 200 or termination.message == message
    assert termination.final == FINAL


def test_writing_a_termination_message_never_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LWM_TERMINATION_PATH", str(tmp_path / "none" / "log"))
    write_termination_message(TerminationMessage(code=70, reason="UncaughtException"))
    assert "termination message not written" in capsys.readouterr().err
