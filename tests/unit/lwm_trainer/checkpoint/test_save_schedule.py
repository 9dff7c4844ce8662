from lwm_trainer.checkpoint.save_schedule import SaveSchedule
from lwm_trainer.config import Checkpoint


def saves(minutes: int | None, seconds_per_step: float, steps: int, *, decides: bool = True, agreed: tuple[int, ...] = ()) -> list[int]:
    """The steps of 1 to `steps` that are saved, with an interval of 100 steps. `decides`: this is process 0, else `agreed` is its word."""
    now = 0.0
    checkpoint = Checkpoint(root="/runs", save_interval_steps=100, save_interval_minutes=minutes)
    schedule = SaveSchedule(checkpoint, lambda step, due: due if decides else step in agreed, clock=lambda: now)
    saved = []
    for step in range(1, steps + 1):
        now += seconds_per_step
        saved += [step] if schedule.due(step) else []
    return saved


def test_without_minutes_steps_alone_count() -> None:
    assert saves(None, 3600, 250) == [100, 200]


def test_slow_steps_are_saved_by_the_clock() -> None:
    assert saves(30, 300, 20) == [6, 12, 18]


def test_a_save_by_steps_begins_the_minutes_anew() -> None:
    assert saves(30, 1800 / 90, 200) == [90, 100, 190, 200]


def test_another_process_follows_process_0_whatever_its_own_clock_says() -> None:
    assert saves(30, 3600, 20, decides=False, agreed=(5, 9)) == [5, 9]
