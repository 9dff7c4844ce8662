import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lwm_trainer.config import RunConfig, violations
from lwm_trainer.config.accelerator_families import TPU_FAMILIES
from lwm_trainer.fit.candidates import CLEARLY_ABOVE, candidates
from lwm_trainer.fit.estimate.memory_estimate import estimate_memory
from lwm_trainer.fit.estimate.step_time import estimate_step_time
from support.builders import SEVEN_B, a_run, tpus

K = 1024


def a_tpu_run(devices: int, slices: int, context: int, rows: int, **model: Any) -> RunConfig:
    return a_run(
        gang=tpus(devices, slices),
        mesh={"dp": slices, "sp": devices // slices},
        model=SEVEN_B | model,
        precision={"compute": "bfloat16"},
        context_length=context,
        batch_tokens=rows * context,
    )


runs = st.builds(
    a_tpu_run,
    devices=st.sampled_from([4, 8, 12, 16]),
    slices=st.just(1),
    context=st.sampled_from([24 * K, 96 * K]),
    rows=st.sampled_from([1, 2, 6]),
    kv_heads=st.sampled_from([8, 32]),
    width=st.sampled_from([3072, 6144]),
)


@given(run=runs, chip=st.sampled_from([family.device for family in TPU_FAMILIES.values()]))
@settings(max_examples=10, deadline=None)
def test_every_candidate_fits_the_same_devices_and_batch_and_they_are_in_order(run: RunConfig, chip: Any) -> None:
    result = candidates(run, chip)
    for other in result:
        gang = other.gang
        assert not violations(
            model=other.model,
            mesh=other.mesh,
            devices=gang.hosts * gang.devices_per_host,
            slices=gang.slices,
            context_length=other.context_length,
            batch_tokens=other.batch_tokens,
            memory=other.memory,
        )
        assert other.mesh.size == run.mesh.size
        assert other.mesh.ulysses is not None
        assert other.model_copy(update={"mesh": run.mesh, "memory": run.memory}) == run
        assert estimate_memory(other).total <= CLEARLY_ABOVE * chip.hbm_bytes
    seconds = [estimate_step_time(other, chip).seconds for other in result]
    assert seconds == sorted(seconds)


def test_between_slices_there_is_data_parallelism_only() -> None:
    result = candidates(a_tpu_run(16, 2, 32 * K, 4), TPU_FAMILIES["v5p"].device)
    assert result
    assert all(other.mesh.dp % 2 == 0 for other in result)


def test_what_is_clearly_too_large_is_left_out() -> None:
    run = a_tpu_run(4, 1, 1024 * K, 1)
    assert candidates(run, TPU_FAMILIES["v5p"].device)
    assert not candidates(run, TPU_FAMILIES["v5e"].device)


def test_all_meshes_of_256_devices_take_seconds() -> None:
    start = time.monotonic()
    assert candidates(a_tpu_run(256, 1, 1024 * K, 4), TPU_FAMILIES["v4"].device)
    assert time.monotonic() - start < 30, "seconds of one busy core; a minute would mean that it no longer prunes"


def test_the_mlp_is_tiled_only_where_memory_is_short() -> None:
    run = a_tpu_run(64, 1, 1024 * K, 4)
    roomy, short = candidates(run, TPU_FAMILIES["v5p"].device), candidates(run, TPU_FAMILIES["v6e"].device)
    assert any(other.memory.mlp_tile for other in short)
    for other in roomy:
        whole = other.model_copy(update={"memory": other.memory.model_copy(update={"mlp_tile": None})})
        assert (other.memory.mlp_tile is None) or estimate_memory(whole).total > TPU_FAMILIES["v5p"].device.hbm_bytes
