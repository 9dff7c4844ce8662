from lwm_operator.plan.timestamps import elapsed, parse, seconds_since, stamp
from simulation.builders import NOW, later


def test_a_timestamp_has_whole_seconds_in_utc_and_can_be_parsed() -> None:
    assert stamp(later(0.7)) == "2026-01-01T12:00:00Z"
    assert parse(stamp(NOW)) == NOW


def test_no_timestamp_is_infinitely_long_ago() -> None:
    assert seconds_since(None, NOW) == float("inf")
    assert seconds_since(stamp(NOW), later(90)) == 90


def test_the_operators_own_timestamp_in_the_future_is_past_when_the_clock_was_set_back() -> None:
    ahead = stamp(later(3600))
    assert (seconds_since(ahead, NOW), elapsed(ahead, NOW)) == (-3600, float("inf"))
    assert elapsed(stamp(later(3)), NOW) == -3, "clocks that agree may differ a little"
