"""Ring attention, forward and backward, compiled by the real TPU compiler: `python -m tpu.compile` for a table over generations."""

import sys
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from lwm_trainer.fit.compile import topology
from lwm_trainer.fit.compile.hlo import HloProgram
from lwm_trainer.parallel.mesh import RING_AXES as AXES
from lwm_trainer.ring.attention import ring_attention
from lwm_trainer.ring.kernels.choose import choose_backend
from support.tpu_programs import TpuProgram
from support.tpu_programs import compiled as compiled_for
from tpu import overlap


class Case(NamedTuple):
    """A slice, a mesh on it and the shape of attention; lengths in tokens."""

    slice: str
    ring: int
    ulysses: int = 1
    tp: int = 1
    length: int = 32768
    heads: int = 8
    key_heads: int = 4
    width: int = 128
    dtype: str = "bfloat16"
    rows: int = 1


SAMPLE = [Case("v5p:2x2x1", 4), Case("v5e:2x2", 2, ulysses=2)]
SLICES = ("v5p:2x2x1", "v5e:2x2", "v6e:2x2", "v4:2x2x1")
ALL = [
    *(Case(slice, 4, width=256) for slice in SLICES),
    *(Case(slice, 2, ulysses=2) for slice in SLICES),
    *(Case(slice, 2, tp=2, width=64) for slice in SLICES),
    Case("v5p:4x4x4", 8, ulysses=8, length=1 << 20, heads=32, key_heads=8),
    Case("v4:4x4x4", 16, tp=4, length=1 << 20, heads=32, key_heads=32),
    Case("v5p:2x2x1", 4, length=4096, rows=8),
    Case("v5e:2x2", 4, length=65536, rows=8),
    *(Case(slice, 4, width=256, dtype="float32") for slice in SLICES),
    *(Case(slice, 4, key_heads=8) for slice in SLICES),
    *(Case(slice, 4, key_heads=1) for slice in SLICES),
]
"""Those in the middle: 1M tokens, with more keys than one call takes, and without a Ulysses group; rows side by side, and one by one."""


def compiled(case: Case) -> TpuProgram:
    """The attention of one layer and its gradients."""
    mesh = topology.mesh(case.slice, ring=case.ring, ulysses=case.ulysses, tp=case.tp)
    rows = case.rows * mesh.shape["dp"]

    def array(*shape: int, dtype: str = case.dtype) -> jax.ShapeDtypeStruct:
        axes = P(AXES.rows, AXES.tokens, AXES.heads) if len(shape) > 2 else P(AXES.rows, AXES.tokens)
        return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype), sharding=NamedSharding(mesh, axes))

    def attention(index: Array, start: Array, q: Array, k: Array, v: Array, dout: Array) -> tuple[Array, tuple[Array, ...]]:
        out, pull = jax.vjp(ring_attention(mesh, AXES, index, start, backend=choose_backend(mesh.devices.flat[0])), q, k, v)
        return out, pull(dout)

    places = [array(rows, case.length, dtype="int32")] * 2
    q, k = (array(rows, case.length, heads, case.width) for heads in (case.heads, case.key_heads))
    return compiled_for(jax.jit(attention).lower(*places, q, k, k, q), mesh)


def main() -> int:
    """Prints a row per case; 1 when one of them does not compile or breaks a promise of `overlap`."""
    failed = False
    for case in ALL:
        start = time.monotonic()
        try:
            program = compiled(case)
            faults = overlap.broken(HloProgram(program.text), case.ring, {"bfloat16": "bf16", "float32": "f32"}[case.dtype])
            memory = f"{program.temp_bytes / 2**20:7.0f} MiB"
        except Exception as error:  # one of many, all are to be seen
            faults, memory = [f"{type(error).__name__}: {str(error)[:400]}"], "      -    "
        print(f"{time.monotonic() - start:5.1f} s  {memory}  {' '.join(map(str, case))}  {'; '.join(faults) or 'overlapped'}", flush=True)
        failed |= bool(faults)
    return 1 if failed else 0


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    sys.exit(main())
