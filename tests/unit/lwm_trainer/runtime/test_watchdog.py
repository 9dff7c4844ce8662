"""When the watchdog ends a process, and with which message; how a process really ends is in tests/processes."""

import threading
from typing import Any

import pytest

from lwm_trainer.config import ExitCode, Hang, Phase
from lwm_trainer.runtime import watchdog
from lwm_trainer.runtime.phase_tracker import PhaseSnapshot, PhaseTracker


def snapshot(**changes: Any) -> PhaseSnapshot:
    usual: dict[str, Any] = {
        "phase": Phase.TRAINING,
        "deadline_seconds": 300,
        "idle_seconds": 300.0,
        "steps_done": 11,
        "steps_dispatched": 12,
        "time_spent": {},
    }
    return PhaseSnapshot(**(usual | changes))


def test_it_is_a_hang_beyond_the_deadline_only() -> None:
    assert not watchdog.is_hang(snapshot())
    assert watchdog.is_hang(snapshot(idle_seconds=300.5))


def test_the_message_names_phase_time_steps_and_frames() -> None:
    message = watchdog.describe_hang(snapshot(idle_seconds=312.4), 24, watchdog.main_thread_frames())
    assert message.startswith(
        "Training: nothing new for 312 s, longer than the 300 s allowed, with 11 of 24 steps done and 12 begun; the main"
    )
    assert "the main thread is in lwm_trainer/runtime/watchdog.py:" in message
    assert "runtime/test_watchdog.py:" in message.split(" < ")[1]
    assert len(message) < 600


def test_the_thread_ends_the_process_once_the_clock_is_beyond(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    now, exited, calls = [0.0], threading.Event(), []

    def leave(code: ExitCode, message: str, **about: Any) -> None:
        calls.append((code, message, about))
        exited.set()

    monkeypatch.setattr(watchdog, "exit_process", leave)
    monkeypatch.setattr(watchdog, "_POLL_SECONDS", 0.01)
    tracker = PhaseTracker(Hang(min_seconds=10), clock=lambda: now[0])
    tracker.enter(Phase.SAVING)
    tracker.resumed(7)
    watchdog.start(tracker, 24, coordinator=True)
    now[0] = 1799
    assert not exited.wait(0.1)
    now[0] = 1801
    assert exited.wait(10)
    code, message, about = calls[0]
    assert (code, about) == (ExitCode.HANG, {"step": 7, "coordinator": True})
    assert message.startswith("Saving: nothing new for 1801 s")
    assert "test_the_thread_ends_the_process" in capfd.readouterr().err, "the stacks of all threads"
