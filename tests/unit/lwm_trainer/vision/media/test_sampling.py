"""Which frames are taken, against a search over all of them."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from lwm_trainer.vision.media.sampling import Sampling, choose

TIMES = st.lists(st.integers(0, 400), min_size=1, max_size=20, unique=True).map(lambda each: [Fraction(time, 10) for time in sorted(each)])


@settings(deadline=None)
@given(times=TIMES, rate=st.sampled_from([0.5, 1.0, 2.5, 30.0]))
def test_by_rate_each_moment_has_the_last_frame_before_it(times: list[Fraction], rate: float) -> None:
    chosen = choose(times, Sampling(frames_per_second=rate))
    moments = [times[0] + number / Fraction(rate) for number in range(len(chosen))]
    assert chosen == [max(number for number, time in enumerate(times) if time <= moment) for moment in moments]
    assert moments[-1] <= times[-1] < moments[-1] + 1 / Fraction(rate)


@settings(deadline=None)
@given(times=TIMES, count=st.integers(1, 25))
def test_by_count_the_first_and_the_last_frame_are_kept(times: list[Fraction], count: int) -> None:
    chosen = choose(times, Sampling(max_frames=count))
    assert len(chosen) == min(count, len(times))
    assert chosen == sorted(set(chosen))
    assert chosen[0] == 0
    assert count == 1 or chosen[-1] == len(times) - 1
