import pytest

from lwm_trainer.fit.estimate.step_time import ATTENTION_MOST, BLOCK, attention_share
from lwm_trainer.fit.report.published import PUBLISHED_STEPS, PublishedStep, comparison_table

BOUND = [case for case in PUBLISHED_STEPS if case.bound is not None]


@pytest.mark.parametrize("case", BOUND, ids=[case.name for case in BOUND])
def test_an_estimate_errs_by_no_more_than_its_stated_bound(case: PublishedStep) -> None:
    assert case.bound is not None
    assert abs(case.error) <= case.bound


def test_the_split_with_the_least_estimate_is_published_within_a_sixth_of_the_best() -> None:
    for length in ("64K", "128K", "256K"):
        cases = [case for case in BOUND if f"Llama 3 8B, {length}," in case.name]
        chosen = min(cases, key=lambda case: case.step_estimate.seconds)
        assert chosen.seconds <= 7 / 6 * min(case.seconds for case in cases), length


def test_the_table_has_a_line_for_each_case() -> None:
    assert len(comparison_table().splitlines()) == 2 + len(PUBLISHED_STEPS)


def test_attention_in_larger_blocks_is_nearer_to_the_peak_and_never_above_it() -> None:
    shares = [attention_share(block) for block in (512, BLOCK, 1024, 2048, 1 << 20)]
    assert shares == sorted(shares)
    assert shares[-1] < ATTENTION_MOST < 1


def test_a_ring_in_the_rows_order_waits_for_its_last_rank() -> None:
    case = next(case for case in PUBLISHED_STEPS if case.uneven > 1)
    attention = next(phase.seconds for phase in case.step_estimate.phases if phase.name == "attention")
    assert case.estimated == pytest.approx(case.step_estimate.seconds + attention / 2)
    assert "sp 2" in case.name
