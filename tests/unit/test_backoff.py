from lwm_operator.api.status import Attempt, AttemptState
from lwm_operator.plan.backoff import delay, fruitless


def failed(number: int, start: int = 0, committed: int = 0) -> Attempt:
    return Attempt(number=number, state=AttemptState.FAILED, from_step=start, committed_step=committed)


def test_the_first_restart_after_progress_is_at_once() -> None:
    assert delay((failed(2, start=10, committed=20), failed(1, committed=10)), "k") == 0


def test_without_progress_it_doubles_to_five_minutes() -> None:
    waits = [delay(tuple(failed(number) for number in range(count, 0, -1)), "k") for count in range(1, 9)]
    for wait, full in zip(waits, [10, 20, 40, 80, 160, 300, 300, 300], strict=True):
        assert 0.8 * full <= wait <= full


def test_a_commit_long_ago_counts_again_only_from_there() -> None:
    assert fruitless((failed(3, start=20), failed(2, start=10, committed=20), failed(1))) == 1


def test_the_jitter_follows_from_the_key() -> None:
    assert delay((failed(1),), "a") == delay((failed(1),), "a")
    assert len({delay((failed(1),), str(key)) for key in range(20)}) > 10
