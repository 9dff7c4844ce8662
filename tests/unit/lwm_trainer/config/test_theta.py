import pytest

from lwm_trainer.config import least_theta


@pytest.mark.parametrize(
    ("context_length", "bound"),
    [(4096, 3.2e4), (32768, 9.5e5), (131072, 9.1e6), (262144, 2.8e7), (524288, 8.7e7), (1048576, 2.7e8)],
)
def test_the_bound_is_the_published_fit(context_length: int, bound: float) -> None:
    assert least_theta(context_length) == pytest.approx(bound, rel=0.02)


@pytest.mark.parametrize(
    ("context_length", "published", "enough"),
    [(32768, 1e6, True), (131072, 1e7, True), (262144, 1e7, False), (524288, 2.5e7, False), (1048576, 5e7, False)],
)
def test_lwms_own_thetas_meet_it_up_to_128k_and_lie_below_it_beyond(context_length: int, published: float, enough: bool) -> None:
    assert (published >= least_theta(context_length)) is enough
