from typing import Any

import pytest
from pydantic import ValidationError

from lwm_trainer.config import OLDEST_CONTRACT_VERSION, Optimizer, SkipSpikes, optimizer_violations
from support.builders import a_run


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"momentum": 0.9}, "momentum is for muon, that of adamw is beta1: leave momentum out"),
        ({"decay_steps": 5}, "decaySteps is for schedule wsd, not for cosine: leave decaySteps out"),
        ({"schedule": "constant", "final_fraction": 0.5}, "finalFraction is for schedules cosine and wsd, not for constant: leave"),
    ],
)
def test_a_setting_without_effect_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Optimizer(**fields)
    Optimizer(name="muon", momentum=0.9)
    Optimizer(schedule="wsd", decay_steps=5)
    Optimizer(schedule="constant", final_fraction=1.0)


def test_a_trainer_that_knows_adamw_alone_may_read_what_it_understands_and_nothing_else() -> None:
    assert Optimizer(peak_learning_rate=0.5, final_fraction=0.3, beta1=0.5).min_reader_version == OLDEST_CONTRACT_VERSION
    for fields in ({"name": "muon"}, {"epsilon": 1e-6}, {"schedule": "wsd"}, {"ema_decay": 0.9}, {"skip_spikes": SkipSpikes()}):
        assert Optimizer(**fields).min_reader_version == 4


def test_a_decay_longer_than_the_stage_and_a_window_that_is_never_full_are_named_with_the_fix() -> None:
    decay = Optimizer(schedule="wsd", warmup_steps=4, decay_steps=6)
    assert optimizer_violations(decay, 11) == []
    assert [each.field for each in optimizer_violations(decay, 10)] == ["optimizer.decaySteps"]
    window = Optimizer(skip_spikes=SkipSpikes(window=10))
    assert optimizer_violations(window, 11) == []
    assert [each.field for each in optimizer_violations(window, 10)] == ["optimizer.skipSpikes.window"]
    with pytest.raises(
        ValidationError, match=r"optimizer.skipSpikes.window: 10 is not less than the stage's 3 steps, so that no step could"
    ):
        a_run(optimizer=window)
