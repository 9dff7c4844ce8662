from typing import Any

import pytest

from lwm_trainer.checkpoint.manifest import make_manifest
from lwm_trainer.config import Mesh, Model, ulysses_degrees
from lwm_trainer.ring.ring_ulysses_split import DEVICE_RATES, DeviceRates, Link, Split, SplitCost, choose_split, resolve_mesh, split_cost
from support.builders import a_run

MHA = Model(layers=32, width=4096, heads=32, kv_heads=32, head_dim=128, mlp_width=11008, vocab_size=32000)
GQA = MHA.model_copy(update={"kv_heads": 8})
MQA = MHA.model_copy(update={"kv_heads": 1})
V4 = DeviceRates(1.4e14, Link(4.5e10, 2e-6), Link(4.5e10, 2e-6), torus=True)
V5P, H100 = DEVICE_RATES["tpu"], DEVICE_RATES["gpu"]
K = 1024


def split(model: Model, mesh: Mesh, chip: DeviceRates, length: int, *, rows: int = 1, per_host: int = 4) -> Split:
    return choose_split(model, mesh, activation_bytes=2, rows=rows, context_length=length, devices_per_host=per_host, chip=chip)


def costs(model: Model, mesh: Mesh, chip: DeviceRates, length: int, per_host: int = 4, activation_bytes: int = 2) -> dict[int, SplitCost]:
    given: dict[str, Any] = {
        "activation_bytes": activation_bytes,
        "rows": 1,
        "context_length": length,
        "devices_per_host": per_host,
        "chip": chip,
    }
    return {degree: split_cost(model, mesh, degree, **given) for degree in ulysses_degrees(model, mesh)}


@pytest.mark.parametrize(
    ("heads", "tp", "sp", "degrees"),
    [
        (32, 1, 8, [1, 2, 4, 8]),
        (32, 8, 64, [1, 2, 4]),
        (12, 1, 8, [1, 2, 4]),
        (6, 2, 4, [1]),
        (12, 1, 6, [1, 2, 3, 6]),
        (40, 4, 16, [1, 2]),
    ],
)
def test_possible_degrees_divide_sp_and_the_heads_of_a_shard(heads: int, tp: int, sp: int, degrees: list[int]) -> None:
    assert ulysses_degrees(MHA.model_copy(update={"heads": heads}), Mesh(sp=sp, tp=tp)) == degrees


LWM = {  # the recipe's own meshes on 256 chips of v4, 4M tokens a step
    32 * K: Mesh(fsdp=64, tp=4),
    128 * K: Mesh(fsdp=32, tp=8),
    256 * K: Mesh(fsdp=16, tp=16),
    512 * K: Mesh(fsdp=8, tp=16, sp=2),
    1024 * K: Mesh(fsdp=4, tp=16, sp=4),
}


@pytest.mark.parametrize(("length", "degree"), list(zip(LWM, (1, 1, 1, 2, 2), strict=True)))
def test_the_recipes_meshes(length: int, degree: int) -> None:
    assert split(MHA, LWM[length], V4, length, rows=4096 * K // length).degree == degree


@pytest.mark.parametrize(
    ("model", "chip", "per_host", "sp", "length", "degree"),
    [
        (MHA, V4, 4, 8, 32 * K, 8),
        (MHA, V4, 4, 64, 32 * K, 16),
        (MHA, V4, 4, 64, 1024 * K, 16),
        (MHA, V5P, 4, 8, 128 * K, 8),
        (MHA, V5P, 4, 64, 32 * K, 16),
        (MHA, V5P, 4, 64, 1024 * K, 16),
        (GQA, V5P, 4, 8, 128 * K, 4),
        (GQA, V5P, 4, 64, 1024 * K, 8),
        (MHA, H100, 8, 8, 32 * K, 8),
        (MHA, H100, 8, 8, 1024 * K, 8),
        (MHA, H100, 8, 64, 32 * K, 32),
        (MHA, H100, 8, 64, 1024 * K, 32),
        (GQA, H100, 8, 64, 32 * K, 16),
        (GQA, H100, 8, 64, 128 * K, 8),
        (GQA, H100, 8, 64, 1024 * K, 8),
    ],
)
def test_sequence_parallelism_alone(model: Model, chip: DeviceRates, per_host: int, sp: int, length: int, degree: int) -> None:
    assert split(model, Mesh(sp=sp), chip, length, per_host=per_host).degree == degree


def test_where_a_long_ring_was_published_to_lose_it_loses() -> None:
    """MaxText, Llama 3 8B on 64 v5p chips, seconds a step: ring 1.42, 3.71, 10.78; 16 x 4 1.04, 2.88, 9.50; 8 x 8 1.20, 2.93, 9.34."""
    for length in (64 * K, 128 * K, 256 * K):
        result = costs(GQA, Mesh(sp=64), V5P, length)
        assert max(result[4].seconds, result[8].seconds) < result[1].seconds / 2
        assert split(GQA, Mesh(sp=64), V5P, length).degree in (4, 8)


def test_a_host_of_fast_links_trades_heads_and_the_ring_goes_across_hosts() -> None:
    assert split(GQA, Mesh(sp=8), H100, 128 * K, per_host=8).text.startswith("mesh.sp 8 = ring 1 x ulysses 8: ")
    assert split(GQA, Mesh(sp=64), H100, 128 * K, per_host=8).text.startswith("mesh.sp 64 = ring 8 x ulysses 8: ")
    assert split(GQA, Mesh(sp=16), H100, 128 * K, per_host=4).degree == 4, "a group of four fills the host"


def test_exchanges_that_leave_the_host_cost_more_than_the_step_to_twice_the_degree_within_it() -> None:
    result = costs(MHA, Mesh(sp=64), H100, 256 * K, 8)
    within = result[8].exchange_seconds / result[4].exchange_seconds
    assert result[16].exchange_seconds / result[8].exchange_seconds > 3 * within
    tensor = costs(MHA, Mesh(sp=16, tp=4), H100, 256 * K, 8)
    assert tensor[4].exchange_seconds > 3 * tensor[2].exchange_seconds, "with tp 4, two members of a group share a host of eight"


def test_few_key_heads_favour_the_ring_whose_hops_carry_only_those() -> None:
    alone = costs(MQA, Mesh(sp=8), V5P, 128 * K)
    assert split(MQA, Mesh(sp=8), V5P, 128 * K).degree == 1
    assert alone[8].shard_bytes == alone[1].shard_bytes * 8, "repeated keys take memory"
    assert alone[1].hop_bytes * 32 == costs(MHA, Mesh(sp=8), V5P, 128 * K)[1].hop_bytes


def test_slower_links_never_make_anything_cheaper_and_a_faster_chip_hides_no_more() -> None:
    slow = V5P._replace(inside=Link(1e9, 2e-6), across=Link(1e9, 2e-6))
    for degree, result in costs(GQA, Mesh(sp=16), V5P, 128 * K).items():
        assert costs(GQA, Mesh(sp=16), slow, 128 * K)[degree].seconds >= result.seconds
        faster = costs(GQA, Mesh(sp=16), V5P._replace(flops=100 * V5P.flops), 128 * K)[degree]
        assert result.exposed_seconds <= faster.exposed_seconds <= faster.hop_seconds == result.hop_seconds
        assert degree == 16 or result.exposed_seconds < faster.exposed_seconds


def test_bytes_of_a_layer_by_hand() -> None:
    """64 tokens of one row over 4 devices in float32, 4 query heads and 2 key heads of 16."""
    result = costs(a_run().model, Mesh(sp=4), H100, 64, activation_bytes=4)
    shard = 2 * 16 * 2 * 16 * 4  # keys and values, tokens, heads, width, bytes
    assert [result[degree].hop_bytes for degree in (1, 2, 4)] == [(3 * 3 + 2) * shard, (3 + 2) * shard, 0], "gradients move twice more"
    queries = 16 * 4 * 16 * 4
    assert result[2].exchange_bytes == 3 * (2 * queries + shard) // 2
    assert result[4].exchange_bytes == 3 * (2 * queries + 2 * shard) * 3 // 4, "each key head stands twice"


def test_the_text_names_the_split_every_other_one_and_the_numbers() -> None:
    first, *lines = split(GQA, Mesh(sp=8), V5P, 128 * K).text.split("\n")
    assert first == (
        "mesh.sp 8 = ring 2 x ulysses 4: 9.36 ms of communication a layer, against 12.7 ms (ulysses 1), 12.4 ms (ulysses 2), "
        "11.2 ms (ulysses 8)"
    )
    assert lines[2] == (
        "  ulysses 4: 3.74 ms of exposed hops, 5.99 ms in all, 512 MiB sent; 5.62 ms of exchanges, 720 MiB sent; keys, values and "
        "gradients take 384 MiB"
    )
    assert split(GQA, Mesh(), V5P, 128 * K).text == "mesh.sp 1 = ring 1 x ulysses 1, the only possible one"


def test_what_is_given_is_taken_and_what_is_absent_is_chosen_the_same_every_time() -> None:
    given, text = resolve_mesh(a_run(mesh={"sp": 8, "ulysses": 2}))
    assert (given.ulysses, text) == (2, "mesh.sp 8 = ring 4 x ulysses 2, as mesh.ulysses says")
    run = a_run()
    chosen, text = resolve_mesh(run)
    assert chosen.ulysses is not None
    assert text.startswith(f"mesh.sp 8 = ring {chosen.ring} x ulysses {chosen.ulysses}: ")
    assert resolve_mesh(a_run(attempt=2, start={"earlier_attempts": (1,)})).mesh == chosen
    assert resolve_mesh(run.model_copy(update={"mesh": chosen})).mesh == chosen
    assert run == a_run(), "the run config stays as it was read"


def test_the_manifest_says_which_split_was_chosen() -> None:
    run = a_run()
    mesh = resolve_mesh(run).mesh
    assert make_manifest(run, mesh, "", 1).mesh == Mesh(sp=8, ulysses=mesh.ulysses)
