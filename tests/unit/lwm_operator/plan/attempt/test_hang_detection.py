import pytest

from lwm_operator.api.attempt_status import FailureClass, StaleLease
from lwm_operator.plan.attempt.hang_detection import HangCheck, detect_hang
from simulation.builders import later, report, running

FRESH = "2026-01-01T12:00:00.123456Z"


def check_after(seconds: float, *, idle: int = 0, renewed: str = FRESH, silence: StaleLease | None = None) -> HangCheck:
    """The phase snapshot `seconds` after noon, of an attempt whose trainer declares 300 s."""
    return detect_hang(running(stale_lease=silence), report(step=7, idle_seconds=idle), renewed, later(seconds))


def test_a_trainer_that_reports_that_it_is_stuck_hangs() -> None:
    assert check_after(0, idle=360).cause is None, "its watchdog has a minute to do its work"
    cause = check_after(0, idle=361).cause
    assert cause is not None
    assert (cause.failure_class, cause.reason) == (FailureClass.HANG, "Hang")
    assert "no step for 361 s in phase Training (deadline 300 s), at step 7" in cause.message


def test_silence_is_noticed_first_and_counts_a_minute_later() -> None:
    assert check_after(360).attempt.stale_lease is None
    noticed = check_after(400)
    assert noticed.cause is None
    assert noticed.attempt.stale_lease == StaleLease(since="2026-01-01T12:06:40Z", renew_time=FRESH)
    assert check_after(459, silence=noticed.attempt.stale_lease).cause is None
    cause = check_after(461, silence=noticed.attempt.stale_lease).cause
    assert cause is not None
    assert (cause.failure_class, cause.reason, cause.host) == (FailureClass.HANG, "LeaseNotRenewed", 0)


def test_after_an_outage_of_the_api_the_first_renewal_ends_the_suspicion() -> None:
    noticed = check_after(4000).attempt.stale_lease
    assert noticed is not None
    assert check_after(4010, renewed="2026-01-01T13:06:45Z", silence=noticed).attempt.stale_lease is None


def test_a_clock_that_is_minutes_behind_is_no_hang_while_it_renews() -> None:
    silence, clock = None, 0
    for minute in range(1, 60):
        clock += 60
        renewed = f"2026-01-01T12:{minute - 1:02}:00Z"  # ten minutes behind ours
        check = check_after(clock + 600, renewed=renewed, silence=silence)
        assert check.cause is None
        silence = check.attempt.stale_lease


def test_a_host_whose_clock_is_ahead_hangs_once_it_renews_no_more() -> None:
    ahead = "2026-01-01T22:00:00Z"  # ten hours ahead of ours
    noticed = check_after(0, renewed=ahead)
    assert (noticed.cause, noticed.wait_seconds) == (None, 420)
    again = check_after(60, renewed="2026-01-01T22:01:00Z", silence=noticed.attempt.stale_lease).attempt.stale_lease
    assert again == StaleLease(since="2026-01-01T12:01:00Z", renew_time="2026-01-01T22:01:00Z"), "each renewal starts again"
    assert check_after(479, renewed="2026-01-01T22:01:00Z", silence=again).cause is None
    assert check_after(480, renewed="2026-01-01T22:01:00Z", silence=again).cause is not None


def test_a_clock_that_is_a_little_ahead_is_left_to_its_deadline() -> None:
    assert check_after(0, renewed="2026-01-01T12:06:00Z").attempt.stale_lease is None
    assert check_after(0, renewed="2026-01-01T12:06:41Z").wait_seconds == 42, "then its time is plausible"
    assert check_after(42, renewed="2026-01-01T12:06:41Z").attempt.stale_lease is None


def test_silence_that_was_noticed_in_the_future_starts_again() -> None:
    noticed = StaleLease(since="2026-01-01T14:00:00Z", renew_time=FRESH)
    again = check_after(400, silence=noticed)
    assert again.cause is None
    assert again.attempt.stale_lease == StaleLease(since="2026-01-01T12:06:40Z", renew_time=FRESH)


def test_checking_twice_gives_the_same_result() -> None:
    once = detect_hang(running(), report(), FRESH, later(1000))
    assert detect_hang(once.attempt, report(), FRESH, later(1000)).attempt == once.attempt


def test_without_a_report_there_is_no_deadline() -> None:
    assert detect_hang(running(), None, None, later(1e6)).cause is None
    assert detect_hang(running(), report(idle_seconds=10**6), None, later(1e6)).cause is None


def test_the_time_of_the_next_check_is_given() -> None:
    assert check_after(100).wait_seconds == pytest.approx(261.123456)
    assert check_after(400).wait_seconds == 60
