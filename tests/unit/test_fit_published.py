import pytest

from lwm_trainer.fit.published import CASES, Case, table

BOUND = [case for case in CASES if case.bound is not None]


@pytest.mark.parametrize("case", BOUND, ids=[case.name for case in BOUND])
def test_an_estimate_errs_by_no_more_than_its_stated_bound(case: Case) -> None:
    assert case.bound is not None
    assert abs(case.error) <= case.bound


def test_the_split_with_the_least_estimate_is_published_within_a_sixth_of_the_best() -> None:
    for length in ("64K", "128K", "256K"):
        cases = [case for case in BOUND if f"8B, {length}," in case.name]
        chosen = min(cases, key=lambda case: case.estimate.seconds)
        assert chosen.seconds <= 7 / 6 * min(case.seconds for case in cases), length


def test_the_table_has_a_line_for_each_case() -> None:
    assert len(table().splitlines()) == 2 + len(CASES)
