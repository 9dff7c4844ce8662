"""What `lwm_trainer.fit` says that a step holds, and what the process comes to hold that runs it: a run config as JSON on standard input,
a JSON object of bytes on standard output, of all devices of the process together."""

import ctypes
import json
import re
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lwm_trainer.config import RunConfig

RUN = RunConfig.model_validate_json(sys.stdin.read())
STEPS = 2
"""The first one's state was drawn, the second one's is the first one's."""
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", RUN.mesh.size)

from lwm_trainer.fit.compile.hlo import HloProgram  # noqa: E402
from lwm_trainer.fit.compile.memory import device_memory  # noqa: E402
from lwm_trainer.parallel.mesh import make_mesh  # noqa: E402
from lwm_trainer.step.batch import abstract_batch  # noqa: E402
from lwm_trainer.step.global_batch import column_orders  # noqa: E402
from lwm_trainer.step.train_step import make_program  # noqa: E402

PROCESS = Path("/proc/self")


def resident(which: str) -> int:
    """VmRSS, or VmHWM, its peak."""
    match = re.search(rf"{which}:\s+(\d+) kB", (PROCESS / "status").read_text())
    assert match is not None
    return 1024 * int(match[1])


def settle() -> int:
    """Give back what was freed, forget the peak; what is resident from here on."""
    ctypes.CDLL(None).malloc_trim(0)
    (PROCESS / "clear_refs").write_text("5")  # the peak is reset, see proc(5)
    return resident("VmRSS")


def columns(sharding: Any) -> Any:
    """Rows of one document each."""
    shape = (RUN.rows, RUN.context_length)
    index = np.tile(np.arange(RUN.context_length, dtype=np.int32), (RUN.rows, 1))
    start = np.zeros(shape, np.int32)
    tokens = np.random.default_rng(0).integers(0, RUN.model.vocab_size, shape, dtype=np.int32)
    rows = {"tokens": tokens, "targets": np.roll(tokens, -1, axis=1), "positions": index, "index": index, "start": start}
    order = column_orders(RUN.mesh, start)
    turned = {name: np.take_along_axis(each, order, axis=1) for name, each in (rows | {"weights": np.ones(shape, np.float32)}).items()}
    return {name: jax.device_put(each, sharding) for name, each in turned.items()}


def main() -> None:
    program = make_program(RUN, make_mesh(RUN.mesh))
    batch = abstract_batch(RUN, program.batch_sharding)
    step: Any = program.train_step
    compiled = step.lower(program.abstract_state, batch).compile()
    predicted = device_memory(compiled, HloProgram(compiled.as_text()), program.abstract_state, batch)
    before = settle()
    state = jax.block_until_ready(program.init(jax.random.key(0)))
    placed = columns(program.batch_sharding)
    settle()  # what drawing the parameters took is no step's
    for _ in range(STEPS):
        state, metrics = jax.block_until_ready(compiled(state, placed))
    assert np.isfinite(float(metrics["loss"]))
    figures = {"predicted": predicted.used, "arguments": predicted.used - predicted.temporaries}
    print(json.dumps({name: each * RUN.mesh.size for name, each in figures.items()} | {"held": resident("VmHWM") - before}))


if __name__ == "__main__":
    main()
