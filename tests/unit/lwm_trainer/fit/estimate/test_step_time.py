import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from lwm_trainer.config import RunConfig
from lwm_trainer.config.accelerator_families import TPU_FAMILIES
from lwm_trainer.fit.estimate.flops import step_flops
from lwm_trainer.fit.estimate.step_time import ICI_SHARE, Phase, StepTimeEstimate, estimate_step_time
from support.builders import SEVEN_B, a_run, tpus

K = 1024
V5P = TPU_FAMILIES["v5p"].device
PARAMETERS = 6_738_415_616


def a_tpu_run(mesh: dict[str, int], *, devices: int = 64, slices: int = 1, rows: int = 4, **changes: Any) -> RunConfig:
    given = {"gang": tpus(devices, slices), "mesh": {"ulysses": 1} | mesh, "model": SEVEN_B, "precision": {"compute": "bfloat16"}}
    return a_run(**(given | {"context_length": 32 * K, "batch_tokens": rows * 32 * K} | changes))


def phase(result: StepTimeEstimate, name: str) -> Phase:
    return next(each for each in result.phases if each.name == name)


def test_the_step_is_the_sum_of_its_phases_and_each_says_how() -> None:
    result = estimate_step_time(a_tpu_run({"fsdp": 4, "sp": 16, "ulysses": 4}), V5P)
    assert result.seconds == pytest.approx(sum(each.seconds for each in result.phases))
    lines = result.text.splitlines()
    assert len(lines) == len(result.phases) + 1
    assert all(each.text and each.text in result.text and each.seconds >= 0 for each in result.phases)


def test_utilisation_counts_the_models_flops_and_not_those_computed_again() -> None:
    run = a_tpu_run({"fsdp": 4, "sp": 16}, memory={"remat": "full"})
    result = estimate_step_time(run, V5P)
    assert result.mfu == pytest.approx(step_flops(run).model / result.seconds / (64 * 4.59e14))
    assert result.hardware_flops > result.model_flops


def test_float32_products_take_six_passes_and_a_smaller_moment_less_memory_traffic() -> None:
    exact, rounded, mixed, small = (
        estimate_step_time(a_tpu_run({"fsdp": 4, "sp": 16}, precision=precision), V5P)
        for precision in ({}, {"matmul": "default"}, {"compute": "bfloat16"}, {"compute": "bfloat16", "moments": "bfloat16"})
    )
    for name in ("matmul", "attention", "loss"):
        assert phase(exact, name).seconds == pytest.approx(6 * phase(rounded, name).seconds)
        assert phase(rounded, name).seconds == phase(mixed, name).seconds
    assert phase(small, "optimizer").seconds == pytest.approx(7 / 8 * phase(mixed, "optimizer").seconds)


def test_muon_reads_one_moment_less_and_orthogonalizes() -> None:
    adamw, muon = (estimate_step_time(a_tpu_run({"fsdp": 4, "sp": 16}, optimizer={"name": name}), V5P) for name in ("adamw", "muon"))
    assert phase(muon, "optimizer").seconds < phase(adamw, "optimizer").seconds
    assert muon.seconds > adamw.seconds
    assert [each.name for each in muon.phases if each.name not in {one.name for one in adamw.phases}] == ["orthogonalization"]


def test_a_run_without_its_ulysses_degree_is_refused() -> None:
    run = a_tpu_run({"fsdp": 4, "sp": 16})
    with pytest.raises(ValueError, match=r"mesh\.ulysses: not given"):
        estimate_step_time(run.model_copy(update={"mesh": run.mesh.model_copy(update={"ulysses": None})}), V5P)


def test_what_a_mesh_does_not_use_takes_no_time() -> None:
    result = estimate_step_time(a_tpu_run({"fsdp": 4}, devices=4), V5P)
    for name in ("ring hops", "ulysses exchanges", "tp all-reduces", "dp in a slice", "dp between slices"):
        assert phase(result, name).seconds == 0, name


@pytest.mark.parametrize(("tp", "links"), [(2, 1), (4, 2)])
def test_tensor_parallel_layers_sum_the_stream_five_times(tp: int, links: int) -> None:
    result = estimate_step_time(a_tpu_run({"fsdp": 4, "sp": 16 // tp, "tp": tp}), V5P)
    tokens = 4 * 32 * K // (64 // tp)
    sent = 32 * 5 * 2 * tokens * 4096 * 2 * (tp - 1) / tp
    assert phase(result, "tp all-reduces").seconds == pytest.approx(sent / (links * 1e11 * ICI_SHARE)), "four fill an axis of 4 x 4 x 4"


def test_slices_sum_their_gradients_over_the_data_centers_network() -> None:
    result = estimate_step_time(a_tpu_run({"dp": 2, "fsdp": 2, "sp": 32}, devices=128, slices=2), V5P)
    assert phase(result, "dp between slices").seconds == pytest.approx(2 * 4 * (PARAMETERS // 64) / 2 / 6.25e9)
    assert phase(result, "dp in a slice").seconds == 0


def test_each_part_of_an_accumulation_gathers_the_parameters_again() -> None:
    once, twice = (
        estimate_step_time(a_tpu_run({"fsdp": 4, "sp": 16}, rows=8, memory={"gradient_accumulation_steps": parts}), V5P) for parts in (1, 2)
    )
    assert phase(twice, "parameter gathers").seconds == pytest.approx(2 * phase(once, "parameter gathers").seconds)
    assert phase(twice, "matmul") == phase(once, "matmul")


def test_offload_shows_only_what_compute_does_not_hide() -> None:
    run = a_tpu_run({"fsdp": 4, "sp": 16}, memory={"remat": "offload"})
    assert phase(estimate_step_time(run, V5P), "offload").seconds == 0
    result = estimate_step_time(run, replace(V5P, host_rate=1e9))
    whole = 2 * 32 * (4 * 32 * K // 64) * 8192 * 2 / 1e9
    busy = sum(phase(result, name).seconds for name in ("matmul", "attention", "loss"))
    assert phase(result, "offload").seconds == pytest.approx(whole - busy)


def test_nothing_of_it_imports_jax() -> None:
    modules = ", ".join(f"lwm_trainer.fit.{name}" for name in ("estimate.flops", "estimate.step_time", "report.published"))
    code = f"import sys, {modules}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
