"""The table of times."""

from quickstart.times import PLANNED_SECONDS, Times, minutes


def test_the_table_sets_what_it_took_beside_the_plan() -> None:
    times = Times()
    with times.part("data"):
        pass
    times.seconds |= {"cluster": 75.0, "stage 1": 100.4}
    rows = [line.split("  ")[0:1] + line.split() for line in times.table().splitlines()]
    assert [row[0] for row in rows] == ["part", "data", "cluster", "stage 1", "all"]
    assert "1:15 min" in times.table()
    assert "2:55 min" in times.table()
    assert sum(PLANNED_SECONDS.values()) < 480


def test_minutes() -> None:
    assert [minutes(seconds) for seconds in (0, 59.6, 187)] == ["0:00 min", "1:00 min", "3:07 min"]
