from dataclasses import replace

from lwm_operator.plan.multislice import merge_jobs, still_being_created
from lwm_operator.plan.observed import JobView, PodState
from simulation.builders import job, pod


def of(index: int, **changes: object) -> JobView:
    return replace(job(), slice=index, name=f"bible-s1-a1-x{index}", uid=f"u{index}", **changes)  # type: ignore[arg-type]


def test_a_single_job_is_not_changed_and_no_job_is_none() -> None:
    assert merge_jobs((job(),), 1) == job()
    assert merge_jobs((), 1) is None


def test_jobs_are_not_merged_while_the_job_of_a_slice_is_missing() -> None:
    assert merge_jobs((of(0),), 2) is None
    assert merge_jobs((of(1),), 2) is None
    assert merge_jobs((of(0), of(2)), 2) is None
    assert merge_jobs((of(0), of(1), of(2)), 2) is None


def test_what_happens_to_one_slice_happens_to_the_attempt() -> None:
    one = of(0, succeeded=2, since="2026-01-01T12:00:05Z", template="t", failed_indexes=frozenset({1}))
    two = of(1, succeeded=1, since="2026-01-01T12:00:01Z", template="t", failed=True, failed_indexes=frozenset({3}), message="quota")
    merged = merge_jobs((one, two), 2)
    assert merged is not None
    assert (merged.name, merged.uid, merged.template) == (one.name, one.uid, "t")
    assert (merged.succeeded, merged.failed, merged.failed_indexes) == (3, True, frozenset({1, 3}))
    assert (merged.message, merged.since) == ("quota", two.since)


def test_a_held_slice_holds_the_attempt() -> None:
    merged = merge_jobs((of(0), of(1, held=True)), 2)
    assert merged is not None
    assert (merged.held, merged.suspended) == (True, False)


def test_missing_jobs_are_still_being_created_unless_one_left_pods_or_a_host_failed() -> None:
    mine, other = replace(pod(index=0), slice=0), replace(pod(index=2), slice=1)
    assert still_being_created((), ())
    assert still_being_created((of(0),), (mine,))
    assert not still_being_created((of(0),), (mine, other))
    assert not still_being_created((of(0),), (replace(mine, state=PodState.FAILED),))
