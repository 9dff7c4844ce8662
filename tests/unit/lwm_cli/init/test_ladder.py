"""The stages of `lwm init` beside the paper's, as the examples have them."""

from pathlib import Path

import pytest

from lwm_cli.init.ladder import Kind, ladder
from lwm_cli.training import load
from lwm_trainer.config import least_theta

EXAMPLES = Path(__file__).resolve().parents[4] / "examples"


@pytest.mark.parametrize(
    ("example", "kind", "target", "model_length", "theta"),
    [("lwm-text-1m", "text", 2**20, 4096, 1e4), ("lwm-1m", "vision", 8192, 2**20, 5e7), ("lwm-chat-1m", "chat", 2**20, 2**20, 5e7)],
)
def test_ladders_are_those_of_the_paper(example: str, kind: Kind, target: int, model_length: int, theta: float) -> None:
    paper = load(EXAMPLES / f"{example}.yaml").spec
    rungs = ladder(kind, target, model_length, theta, 128, tiny=False)
    assert [(rung.context_length, rung.theta, rung.steps, rung.batch_tokens) for rung in rungs] == [
        (stage.context_length, stage.rope_theta, stage.steps, stage.batch_tokens) for stage in paper.stages
    ]
    assert [(rung.learning_rate, rung.warmup_steps) for rung in rungs] == [
        (stage.optimizer.peak_learning_rate, stage.optimizer.warmup_steps) for stage in paper.stages
    ]
    if kind == "text":
        windows = [(dataset.documents.min_tokens, dataset.documents.max_tokens) for dataset in paper.datasets]
        assert [rung.documents for rung in rungs] == windows


@pytest.mark.parametrize("target", [4096, 8192, 50_000, 65_536, 2**20, 2**21, 2**24])
def test_a_ladder_ends_at_its_target_with_bases_that_only_grow(target: int) -> None:
    rungs = ladder("text", target, 8192, 5e5, 8, tiny=False)
    lengths, thetas = [rung.context_length for rung in rungs], [rung.theta for rung in rungs]
    assert lengths[-1] == target
    assert (lengths, thetas) == (sorted(set(lengths)), sorted(thetas))
    assert all(rung.theta == 5e5 for rung in rungs if rung.context_length <= 8192), "within the model's context it keeps its base"
    assert all(rung.batch_tokens % rung.context_length == 0 for rung in rungs)
    if target > 2**20:
        assert rungs[-1].theta >= least_theta(target)


def test_a_tiny_step_has_a_row_for_each_device() -> None:
    assert [rung.batch_tokens // rung.context_length for rung in ladder("text", 512, 128, 1e4, 32, tiny=True)] == [32, 32]
