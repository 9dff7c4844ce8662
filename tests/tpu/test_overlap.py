"""The ring's permutes hide behind attention in the schedule of the real TPU compiler, and the check can tell when they do not."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from jax import Array, lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from lwm_trainer.fit.compile import topology
from lwm_trainer.fit.compile.hlo import HloProgram
from lwm_trainer.ring.kernels import softmax
from lwm_trainer.ring.kernels.protocol import Shard
from lwm_trainer.ring.kernels.softmax import OnlineSoftmax
from lwm_trainer.ring.kernels.splash import Splash
from support import tpu_programs
from tpu import overlap
from tpu.compile import SAMPLE, Case, compiled


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: f"{case.slice}-ring{case.ring}-ulysses{case.ulysses}")
def test_permutes_hide_behind_attention(case: Case) -> None:
    assert overlap.broken(HloProgram(compiled(case).text), case.ring) == []


@pytest.mark.soak
def test_two_shards_of_half_a_million_tokens_have_room_for_their_visits() -> None:
    """A list of all their blocks would take 1.25 of the 1.00 MiB of a core's scalar memory."""
    case = Case("v5p:2x2x1", 2, tp=2, length=1 << 20, heads=2, key_heads=2)
    assert overlap.broken(HloProgram(compiled(case).text), case.ring) == []


def test_a_ring_that_sends_float32_keys_is_told() -> None:
    case = SAMPLE[1]._replace(dtype="float32", length=8192)
    faults = overlap.broken(HloProgram(compiled(case).text), case.ring)
    assert any("in the loops travel" in fault for fault in faults), faults


def program(*, late: bool, hops: int | None) -> HloProgram:
    """A forward ring whose permute may wait for the attention before it, and whose number of hops may be fixed."""
    mesh = topology.mesh("v5e:2x2", ring=4)

    def ring(last: Array, low: Array, high: Array, q: Array, k: Array, v: Array) -> Array:
        def hop(number: Array, state: tuple[tuple[Array, Array], OnlineSoftmax]) -> tuple[tuple[Array, Array], OnlineSoftmax]:
            keys, carry = state
            seen = Splash().forward(carry, Shard(q, *keys, low, high))
            if late:
                keys, seen = lax.optimization_barrier((keys, seen))
            order = [(rank, (rank + 1) % 4) for rank in range(4)]
            return (lax.ppermute(keys[0], "ring", order), lax.ppermute(keys[1], "ring", order)), seen

        _, carry = lax.fori_loop(0, last if hops is None else hops, hop, ((k, v), softmax.empty(q)))
        out: Array = carry.out_BKGTC
        return out

    def array(spec: P, *shape: int, dtype: str = "bfloat16") -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype), sharding=NamedSharding(mesh, spec))

    places, queries, keys = P(None, "ring"), P(None, None, None, "ring"), P(None, None, "ring")
    mapped = partial(jax.shard_map, mesh=mesh, check_vma=False)(
        ring, in_specs=(P(), places, places, queries, keys, keys), out_specs=queries
    )
    ranges = [array(places, 1, 8192, dtype="int32")] * 2
    shards = array(queries, 1, 2, 2, 8192, 128), *[array(keys, 1, 2, 8192, 128)] * 2
    lowered = jax.jit(mapped).lower(array(P(), dtype="int32"), *ranges, *shards)
    return HloProgram(tpu_programs.compiled(lowered, mesh).text)


def test_a_permute_after_the_attention_is_told() -> None:
    early, late = program(late=False, hops=None), program(late=True, hops=None)
    assert [overlap.not_hidden(early, body) for _, body in early.ring_loops] == [[]]
    assert [len(overlap.not_hidden(late, body)) for _, body in late.ring_loops] == [2]


def test_a_ring_that_always_goes_round_is_told() -> None:
    whole = program(late=False, hops=3)
    assert [len(overlap.fixed_bound(condition)) for condition, _ in whole.ring_loops] == [1]
