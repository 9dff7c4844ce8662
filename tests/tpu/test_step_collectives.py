"""A layer's parameters are gathered and its gradients scattered, in the program of the real TPU compiler, and `lwm fit`'s formula has the
bytes that a device sends.
"""

import pytest

from lwm_trainer.fit.compile.collectives import CollectiveTraffic
from lwm_trainer.fit.estimate.traffic import step_traffic
from lwm_trainer.fit.fit import fit
from lwm_trainer.fit.recipe import RecipeCase, cases
from tpu.step_collectives import ALL, EXCHANGING, LAYER, LAYERS, MATRIX, SAMPLE, Case, broken, step_collectives, step_run

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


@pytest.mark.parametrize("case", [SAMPLE, pytest.param(EXCHANGING, marks=pytest.mark.soak)], ids=["ring", "ulysses"])
def test_the_formula_of_fit_has_the_bytes_that_the_program_sends(case: Case) -> None:
    assert step_traffic(step_run(case)).total == pytest.approx(sum(each.bytes for each in step_collectives(case)), rel=0.05)


@pytest.mark.soak
@pytest.mark.parametrize("case", [case for case in cases() if not case.stage.chat], ids=lambda case: f"{case.family} {case.stage.name}")
def test_it_has_those_of_the_recipe(case: RecipeCase) -> None:
    compiled = fit(case.run, case.target, print).compiled
    assert step_traffic(case.run).total == pytest.approx(sum(each.bytes for each in compiled.collectives), rel=0.05)


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
