"""How sure a share of right answers is."""

import math

Z_95 = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


def wilson_interval(successes: float, trials: int) -> tuple[float, float]:
    """The 95 % interval of a probability (Wilson 1927), or of a mean of scores from 0 to 1 whose sum is `successes`.

    No scores of one mean spread wider than rights and wrongs, so for scores the interval is rather too wide than too narrow.
    Raises ValueError for counts that cannot be.
    """
    if not 0 <= successes <= trials or not trials:
        raise ValueError(f"{successes} successes in {trials} trials: there must be a trial, and no more successes than trials")
    share, correction = successes / trials, Z_95**2 / trials
    center = (share + correction / 2) / (1 + correction)
    half = Z_95 / (1 + correction) * math.sqrt(share * (1 - share) / trials + correction / (4 * trials))
    return 0.0 if successes == 0 else center - half, 1.0 if successes == trials else center + half
