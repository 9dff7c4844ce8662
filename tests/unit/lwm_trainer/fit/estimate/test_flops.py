from typing import Any

import pytest

from lwm_trainer.config import Model, Remat, Vision
from lwm_trainer.fit.estimate.flops import parameter_counts, step_flops
from support.builders import a_run

LLAMA2_7B = Model(layers=32, width=4096, heads=32, kv_heads=32, head_dim=128, mlp_width=11008, vocab_size=32000)
K = 1024


def a_7b_run(**changes: Any) -> Any:
    return a_run(**({"model": LLAMA2_7B, "context_length": 32 * K, "batch_tokens": 64 * K} | changes))


def test_llama_2_7b_has_its_published_number_of_parameters() -> None:
    assert parameter_counts(LLAMA2_7B).total == 6_738_415_616


def test_a_tied_head_is_multiplied_but_stored_once_and_vision_adds_both_of_its_own() -> None:
    tied = parameter_counts(LLAMA2_7B.model_copy(update={"tied_embeddings": True}))
    assert (tied.head, tied.embedding) == (32000 * 4096, 0)
    seeing = parameter_counts(LLAMA2_7B.model_copy(update={"vision": Vision(vocab_size=8448)}))
    assert (seeing.head, seeing.embedding) == (40448 * 4096, 40448 * 4096)


def test_model_flops_are_six_per_multiplied_parameter_and_token_and_causal_attention() -> None:
    multiplied = 6_738_415_616 - 32000 * 4096 - 65 * 4096
    attention = 6 * 32 * 4096 * 2 * (32 * K) ** 2
    assert step_flops(a_7b_run()).model == 6 * 64 * K * multiplied + attention


def test_packed_documents_cost_the_sum_of_their_squares() -> None:
    whole, packed = step_flops(a_7b_run()), step_flops(a_7b_run(), [16 * K] * 4)
    assert packed.attention * 2 == whole.attention
    assert packed.layers == whole.layers


def test_document_lengths_must_be_those_of_one_step() -> None:
    with pytest.raises(ValueError, match="sum to 3, not to batchTokens 65536"):
        step_flops(a_7b_run(), [1, 2])


def test_model_flops_do_not_depend_on_what_is_computed_again_but_the_hardwares_do() -> None:
    order: list[Remat] = ["none", "qkv", "attention", "full"]
    result = [step_flops(a_7b_run(memory={"remat": remat})) for remat in order]
    assert len({each.model for each in result}) == 1
    assert [each.hardware for each in result] == sorted({each.hardware for each in result})
    assert result[3].attention * 7 == result[2].attention * 9
    assert step_flops(a_7b_run(memory={"remat": "products"})) == result[0]
    assert step_flops(a_7b_run(memory={"remat": "offload"})) == result[2]


def test_the_head_is_multiplied_three_times_whatever_a_layer_keeps() -> None:
    assert {step_flops(a_7b_run(memory={"remat": remat})).loss for remat in ("none", "full")} == {6 * 64 * K * 32000 * 4096}


def test_qkv_spares_the_three_projections_and_no_policy_computes_down_again() -> None:
    nothing, qkv, attention = (step_flops(a_7b_run(memory={"remat": remat})).layers for remat in ("none", "qkv", "attention"))
    per_parameter = 2 * 64 * K * 32
    assert attention - qkv == per_parameter * 3 * 4096 * 4096
    assert qkv - nothing == per_parameter * (4096 * 4096 + 2 * 4096 * 11008)
