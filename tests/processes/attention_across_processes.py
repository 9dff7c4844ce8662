"""One of two processes with two devices each: attention over both against dense attention, for a ring alone and for ring x Ulysses.

test_attention_across_processes.py starts it with the coordinator's address and the process's number; it prints the distances of output and
gradients.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec

from lwm_trainer import config
from lwm_trainer.config import Mesh
from lwm_trainer.parallel import distributed
from lwm_trainer.parallel.mesh import RING_AXES, make_mesh
from lwm_trainer.ring.attention import ring_attention
from lwm_trainer.ring.kernels.blockwise import Blockwise
from lwm_trainer.ring.layout import zigzag
from support.builders import a_run
from support.dense_attention import LENGTH, PACKINGS, ROWS, dense, distance, example


def main(coordinator: str, process: int) -> None:
    gang = config.Gang(job="t", service="t", hosts=2, devices_per_host=2, platform="cpu", coordinator=coordinator)
    distributed.join(a_run(gang=gang, mesh={"sp": 4}), process)
    arrays = example(4, 1)
    start = np.stack([PACKINGS["odd edges"][0], PACKINGS["a rank without a live key"][0]])
    index = np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1))
    expected, pull = jax.vjp(lambda q, k, v: dense(q, k, v, jnp.array(start)), *arrays[:3])
    wanted = expected, *pull(jnp.array(arrays[3]))

    for mesh in (Mesh(sp=4, ulysses=1), Mesh(sp=4, ulysses=2)):
        device_mesh, order = make_mesh(mesh), zigzag(LENGTH, mesh.ring)
        tokens = NamedSharding(device_mesh, PartitionSpec(None, RING_AXES.tokens))

        def place(x: np.ndarray, tokens: NamedSharding = tokens, order: np.ndarray = order) -> jax.Array:
            return jax.make_array_from_callback(x.shape, tokens, lambda part: x[:, order][part])

        @jax.jit
        def both(*arguments: jax.Array, mesh: jax.sharding.Mesh = device_mesh) -> tuple[jax.Array, ...]:
            q, k, v, dout, index, start = arguments
            out, pull = jax.vjp(ring_attention(mesh, RING_AXES, index, start, backend=Blockwise(16)), q, k, v)
            return out, *pull(dout)

        placed = [place(x) for x in (*arrays, index, start)]
        compiled = both.lower(*placed).compile()
        distributed.barrier(f"compiled {mesh.ulysses}")
        gathered = [multihost_utils.process_allgather(x, tiled=True) for x in compiled(*placed)]
        apart = [distance(x, np.asarray(y)[:, order]) for x, y in zip(gathered, wanted, strict=True)]
        print(f"\nring {mesh.ring} x ulysses {mesh.ulysses}: {max(apart):.1e}", flush=True)
        if max(apart) > 1e-5:
            sys.exit(f"ring {mesh.ring} x ulysses {mesh.ulysses}: output, dq, dk, dv are {apart} from dense attention")
    jax.distributed.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
