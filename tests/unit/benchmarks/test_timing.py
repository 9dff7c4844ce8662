import time
from functools import partial

import pytest

from benchmarks import timing
from benchmarks.timing import Round


def test_a_ratio_is_the_median_of_those_of_the_rounds_and_not_the_ratio_of_the_medians() -> None:
    done = [Round({"ours": ours, "peer": peer}, limit) for ours, peer, limit in ((1.0, 2.0, 100.0), (10.0, 11.0, 10.0), (3.0, 9.0, 50.0))]
    assert timing.ratio(done, "ours", "peer") == 2.0
    assert timing.seconds(done, "ours") == 3.0
    assert timing.percent_of_limit(done, "ours", 50.0) == pytest.approx(100 * 50 / 10.0 / 10.0)


def test_rounds_are_as_many_as_fit_and_turn_round(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(timing, "limit", lambda _=0.0: 1e9)

    def call(name: str) -> str:
        called.append(name)
        return name

    calls = {name: partial(call, name) for name in ("ours", "peer")}
    done, first = timing.rounds(calls, budget=0.0, least=2)
    assert (len(done), called, first) == (2, ["ours", "peer", "peer", "ours"], {"ours": "ours", "peer": "peer"})
    done, _ = timing.rounds(calls, budget=1e9, most=5)
    assert len(done) == 5 - 1, "the first of many rounds is a warm-up"
