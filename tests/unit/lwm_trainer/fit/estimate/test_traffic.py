from typing import Any

import pytest

from lwm_trainer.config import RunConfig
from lwm_trainer.fit.estimate.traffic import StepTraffic, step_traffic
from support.builders import a_run, tpus

WIDTH, INNER, HEADS, KEY_HEADS, CHANNELS, VOCABULARY, LAYERS, LENGTH = 256, 512, 4, 2, 64, 1024, 3, 4096
MATRICES = 2 * WIDTH * HEADS * CHANNELS + 2 * WIDTH * KEY_HEADS * CHANNELS + 3 * WIDTH * INNER
"""Parameters of a layer without its norms."""
ENDS = 2 * VOCABULARY * WIDTH
BFLOAT16, FLOAT32 = 2, 4


def a_tpu_run(mesh: dict[str, int], *, rows: int = 8, **memory: Any) -> RunConfig:
    model = {"layers": LAYERS, "width": WIDTH, "heads": HEADS, "kv_heads": KEY_HEADS, "head_dim": CHANNELS, "mlp_width": INNER}
    return a_run(
        gang=tpus(8),
        mesh={"ulysses": 1} | mesh,
        model=model | {"vocab_size": VOCABULARY},
        precision={"compute": "bfloat16"},
        context_length=LENGTH,
        batch_tokens=rows * LENGTH,
        memory=memory,
    )


def traffic(mesh: dict[str, int], **changes: Any) -> StepTraffic:
    return step_traffic(a_tpu_run(mesh, **changes))


def test_layers_gather_twice_and_scatter_once_and_the_ends_are_reduced_by_all() -> None:
    own = traffic({"fsdp": 8})
    assert own.parameters == (LAYERS * MATRICES * (2 * BFLOAT16 + FLOAT32) + ENDS * 2 * (BFLOAT16 + FLOAT32)) * 7 // 8
    assert own.total == own.parameters
    assert traffic({"fsdp": 8}, rows=16, gradient_accumulation_steps=2).parameters == 2 * own.parameters


def test_replicas_sum_the_gradients_of_what_each_has() -> None:
    own = traffic({"dp": 2, "fsdp": 4})
    norms = WIDTH * (2 * LAYERS + 1)
    assert own.replicas == 2 * FLOAT32 * ((LAYERS * MATRICES + ENDS + norms) // 4) // 2


@pytest.mark.parametrize(("remat", "exchanges"), [("none", 2), ("products", 3), ("qkv", 3), ("attention", 3), ("full", 3)])
def test_heads_are_exchanged_forward_and_backward_and_again_where_something_is_recomputed(remat: str, exchanges: int) -> None:
    own = traffic({"fsdp": 4, "sp": 2, "ulysses": 2}, remat=remat)
    tokens = 2 * LENGTH // 2
    assert own.ulysses == exchanges * LAYERS * tokens * 2 * (HEADS + KEY_HEADS) * CHANNELS * BFLOAT16 // 2
    assert own.ring == 0


@pytest.mark.parametrize(("remat", "passes"), [("qkv", 1.0), ("full", 1.25)])
def test_a_ring_of_two_sends_keys_and_values_twice_and_their_gradients_home(remat: str, passes: float) -> None:
    pair = 2 * (2 * LENGTH // 2) * KEY_HEADS * CHANNELS
    hops = pair * (BFLOAT16 + (BFLOAT16 + FLOAT32) + 2 * FLOAT32)
    assert traffic({"fsdp": 4, "sp": 2}, remat=remat).ring == passes * LAYERS * hops
