"""Bytes of an optimizer's state beside those of the state itself, and the products of Muon beside a count by hand."""

from typing import Any

import jax
import pytest

from lwm_trainer.fit.estimate.optimizer_cost import FACTORED, NEWTON_SCHULZ_STEPS, orthogonalization, state_bytes
from lwm_trainer.model import llama
from lwm_trainer.step.optimizer import ADAFACTOR_SMALLEST, make_optimizer
from support.builders import SEVEN_B, a_run

GROUPED = SEVEN_B | {"kv_heads": 8, "tied_embeddings": True, "vision": {"vocab_size": 8448}}


@pytest.mark.parametrize("model", [SEVEN_B, GROUPED], ids=["llama-2", "grouped"])
@pytest.mark.parametrize(
    ("optimizer", "moments"),
    [
        ({}, "float32"),
        ({}, "bfloat16"),
        ({"name": "muon"}, "bfloat16"),
        ({"name": "adafactor"}, "bfloat16"),
        ({"name": "adafactor", "beta1": 0}, "float32"),
    ],
    ids=str,
)
def test_the_bytes_are_those_of_the_state(optimizer: dict[str, Any], moments: Any, model: dict[str, Any]) -> None:
    run = a_run(model=model, optimizer=optimizer, precision={"moments": moments})
    params = llama.abstract(run.model)
    state = jax.eval_shape(make_optimizer(run.optimizer, run.steps, moments).init, params)
    counted = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    assert state_bytes(run) == pytest.approx(counted, abs=2**16)  # counters and coefficients
    averaged = run.model_copy(update={"optimizer": run.optimizer.model_copy(update={"ema_decay": 0.9})})
    assert state_bytes(averaged) - state_bytes(run) == 4 * sum(leaf.size for leaf in jax.tree.leaves(params))


def test_the_smallest_factored_axis_is_the_optimizer_s() -> None:
    assert FACTORED == ADAFACTOR_SMALLEST


def test_an_iteration_multiplies_by_small_matrices_alone() -> None:
    work = orthogonalization(a_run(model=SEVEN_B).model)
    square, wide = 6 * 4096**3, 4 * 4096**2 * 11008 + 2 * 4096**3
    assert work.flops == NEWTON_SCHULZ_STEPS * 32 * (4 * square + 3 * wide)
    assert work.gathered == NEWTON_SCHULZ_STEPS * 32 * (4 * 2 * 4096**2 + 3 * (4096 * 11008 + 4096**2))
