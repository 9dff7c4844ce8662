from datetime import UTC, datetime, timedelta

from lwm_operator.cluster.clock import ServerClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_it_shows_the_servers_time_and_runs_on_between_its_answers() -> None:
    ours = [100.0]
    clock = ServerClock(lambda: ours[0])
    clock.set("Thu, 01 Jan 2026 12:00:00 GMT")
    ours[0] += 7.5
    assert clock.now() == NOON + timedelta(seconds=7.5)


def test_rounded_seconds_never_turn_it_back() -> None:
    ours = [0.0]
    clock = ServerClock(lambda: ours[0])
    clock.set("Thu, 01 Jan 2026 12:00:00 GMT")
    before = clock.now()
    for tenth in range(1, 40):
        ours[0] = tenth / 10
        clock.set(f"Thu, 01 Jan 2026 12:00:{int(ours[0]):02} GMT")
        assert clock.now() > before
        before = clock.now()


def test_a_server_whose_clock_is_set_is_followed() -> None:
    clock = ServerClock(lambda: 0.0)
    clock.set("Thu, 01 Jan 2026 12:00:00 GMT")
    clock.set("Thu, 01 Jan 2026 11:00:00 GMT")
    assert clock.now() == NOON - timedelta(hours=1)


def test_an_answer_without_a_date_is_passed_over() -> None:
    clock = ServerClock(lambda: 0.0)
    clock.set("Thu, 01 Jan 2026 12:00:00 GMT")
    for nonsense in (None, "", "soon"):
        clock.set(nonsense)
    assert clock.now() == NOON
