"""A layer's parameters are gathered and its gradients scattered, in the program of the real TPU compiler."""

import pytest

from lwm_trainer.fit.compile.collectives import CollectiveTraffic
from tpu.step_collectives import ALL, LAYER, LAYERS, MATRIX, SAMPLE, Case, broken, step_collectives

WHOLE = LAYERS * LAYER * 3 // 4
"""Parameters of all layers that a device of four gets from the others."""
GATHERED = CollectiveTraffic(kind="all-gather", axes="fsdp", dtype="bf16", times=8, bytes=4 * WHOLE, largest=MATRIX)
SCATTERED = CollectiveTraffic(kind="reduce-scatter", axes="fsdp", dtype="f32", times=4, bytes=4 * WHOLE, largest=MATRIX)


def test_layers_gather_in_bfloat16_and_scatter_their_gradients_in_float32() -> None:
    assert broken(step_collectives(SAMPLE), SAMPLE.mesh.size) == []


@pytest.mark.soak
@pytest.mark.parametrize("case", ALL, ids=[case.slice for case in ALL])
def test_they_do_on_whole_slices(case: Case) -> None:
    assert broken(step_collectives(case), case.mesh.size) == []


def test_gradients_that_are_all_reduced_or_summed_in_bfloat16_are_told() -> None:
    assert broken([GATHERED, SCATTERED], 4) == []
    reduced = CollectiveTraffic(kind="all-reduce", axes="fsdp+ring", dtype="bf16", times=4, bytes=4 * WHOLE, largest=4 * MATRIX)
    assert [fault.partition(":")[0] for fault in broken([GATHERED, reduced], 4)] == [
        "all-reduce of bf16 over fsdp+ring",
        "reduce-scatter of f32",
    ]
    assert [fault.partition(":")[0] for fault in broken([GATHERED, SCATTERED.model_copy(update={"dtype": "bf16"})], 4)] == [
        "reduce-scatter of f32"
    ]
