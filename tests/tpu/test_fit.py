"""`lwm fit` asks the real TPU compiler: bytes against arithmetic by hand, and its own words when there is no room."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from lwm_trainer.config import RunConfig
from lwm_trainer.config.accelerator_families import TPU_FAMILIES
from lwm_trainer.fit.compile import topology
from lwm_trainer.fit.compile.compile_result import parse_refusal
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.fit.fit import FitResult, fit
from support.builders import a_run, tpus

SMALL = {"layers": 4, "width": 256, "heads": 2, "kv_heads": 2, "head_dim": 128, "mlp_width": 512, "vocab_size": 1024}
LAYER = 4 * 256 * 256 + 3 * 256 * 512  # without norms
NORMS = 256 * (2 * 4 + 1)
TOPOLOGIES = {"v4": "v4:2x2x1", "v5e": "v5e:2x2", "v5p": "v5p:2x2x1", "v6e": "v6e:2x2", "v7x": "v7x:2x2x1"}


def a_tpu_run(**changes: Any) -> RunConfig:
    shape = {"mesh": {"fsdp": 2, "tp": 2}, "model": SMALL, "context_length": 4096, "batch_tokens": 8192}
    return a_run(**{"gang": tpus(4), "precision": {"compute": "bfloat16"}, **shape, **changes})


def asked(run: RunConfig, cache: Path) -> FitResult:
    return fit(run, Target(platform="tpu", topology="v5e:2x2"), print, cache=cache)


def test_memory_and_wire_are_those_of_arithmetic_by_hand(tmp_path: Path) -> None:
    result = asked(a_tpu_run(), tmp_path)
    memory = result.compiled.memory
    assert memory is not None
    weights = (4 * LAYER + 2 * 1024 * 256) // 4 + NORMS  # norms lie on every device
    assert memory.parameters == 4 * weights
    assert 0 <= memory.optimizer - 8 * weights <= 64  # two moments, and counters
    assert memory.batch == 6 * 4 * 4096
    saved = 4 * 4096 * 2 * (256 + 128)  # what layers keep: their input, and attention's output of half the heads
    assert memory.parameters + memory.optimizer + memory.batch + saved < memory.used < 100 * saved
    assert result.fits
    sums = sum(each.bytes for each in result.compiled.collectives if each.kind == "all-reduce" and each.axes == "tp")
    stream = 2 * 4096 * 256  # bytes of the stream on a device; reduced forward twice and once again, backward twice
    assert 4 * 4 * stream <= sums <= 4 * 7 * stream
    assert asked(a_tpu_run(stage="chat"), tmp_path).cached


def test_what_does_not_fit_is_an_answer(tmp_path: Path) -> None:
    wide = SMALL | {"layers": 32, "width": 4096, "heads": 32, "kv_heads": 32, "mlp_width": 11008}
    result = asked(a_tpu_run(model=wide, context_length=32768, batch_tokens=32768 * 8), tmp_path)
    assert result.fits is False
    assert result.compiled.refusal is not None
    assert result.compiled.refusal.space == "hbm"
    assert result.margin_bytes is not None
    assert result.margin_bytes < 0


@pytest.mark.parametrize("family", TPU_FAMILIES)
def test_the_memory_of_a_chip_is_what_its_compiler_says(family: str) -> None:
    everywhere = NamedSharding(topology.mesh(TOPOLOGIES[family], ring=4), PartitionSpec())

    def large(x: jax.Array) -> jax.Array:
        wide = jax.lax.optimization_barrier(jnp.sin(jnp.broadcast_to(x[:, None], (1024, 1 << 27))))
        result: jax.Array = (wide * jax.lax.optimization_barrier(jnp.cos(wide))[::-1]).sum()
        return result

    with pytest.raises(jax.errors.JaxRuntimeError) as caught:
        jax.jit(large).lower(jax.ShapeDtypeStruct((1024,), jnp.float32, sharding=everywhere)).compile()
    result = parse_refusal(str(caught.value))
    assert result is not None
    assert result.available_bytes == TPU_FAMILIES[family].usable_hbm_bytes
