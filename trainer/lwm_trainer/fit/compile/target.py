"""What a stage is compiled for."""

from typing import Literal

from lwm_trainer.config.contract import Contract

GIB = 2**30

NO_LIBTPU = "libtpu, the TPU compiler, is not installed: install the extra `fit` (pip install 'lwm-operator[fit]')"

AVAILABLE = {"v4": int(30.75 * GIB), "v5e": int(15.75 * GIB), "v5p": int(95.74 * GIB), "v6e": int(31.25 * GIB)}
"""HBM of a chip that a program may use: what its makers name (32, 16, 95.74 + reserve, 32 GiB) less what the runtime keeps for itself.

These are the numbers of libtpu 0.0.42.1: asked for 300 GiB, its compiler says "exceeds available HBM (30.75G)", and refuses by it."""


class Target(Contract):
    """One kind of device. All that a run config does not say of the machine."""

    platform: Literal["cpu", "tpu"]
    topology: str = ""
    """libtpu's name of a slice, such as v5p:8x8x4; the number of slices is the run's. Empty for CPU."""

    @property
    def family(self) -> str:
        """v4, v5e, v5p, v6e; empty for CPU."""
        return self.topology.partition(":")[0]

    @property
    def available_bytes(self) -> int | None:
        """HBM of a device that a program may use; None where none is known: CPU, and families without a row."""
        return AVAILABLE.get(self.family)
