from lwm_operator.api.status import StageStatus
from lwm_operator.plan.prune import outdated, strays
from world.builders import job, pod, seen


def test_the_last_two_failed_attempts_and_the_newest_of_each_stage_stay() -> None:
    entries = (StageStatus(name="a", attempts=3), StageStatus(name="b", attempts=2))
    jobs = [job(1, 1), job(1, 2), job(1, 3), job(2, 1), job(2, 2)]
    assert [action.job for action in outdated(entries, seen(*jobs))] == ["bible-s1-a1"]


def test_an_attempt_with_live_pods_is_not_pruned() -> None:
    entries = (StageStatus(name="a", attempts=4),)
    jobs = [job(1, number) for number in range(1, 5)]
    assert [action.job for action in outdated(entries, seen(*jobs))] == ["bible-s1-a1"]
    assert outdated(entries, seen(*jobs, pod(attempt=1))) == ()


def test_pods_of_other_attempts_are_strays() -> None:
    assert [action.name for action in strays((1, 2), seen(pod(attempt=1), pod(attempt=2)))] == ["bible-s1-a1-0"]
