"""Each device has its backend, and an image without a GPU's or TPU's libraries can choose for a CPU."""

import subprocess
import sys

import jax

from lwm_trainer.ring.kernels.blockwise import Blockwise
from lwm_trainer.ring.kernels.choose import choose_backend


def test_a_cpu_runs_plain_xla() -> None:
    assert choose_backend(jax.devices()[0]) == Blockwise()


def test_a_cpu_needs_neither_tokamax_nor_libtpu() -> None:
    code = "import sys; sys.modules.update(tokamax=None, libtpu=None); import lwm_trainer.step.train_step"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
