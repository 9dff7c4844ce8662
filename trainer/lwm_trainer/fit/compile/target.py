"""What a stage is compiled for."""

from typing import Literal

from lwm_trainer.config.accelerator_families import TPU_FAMILIES, TpuFamily
from lwm_trainer.config.contract import Contract

NO_LIBTPU = "libtpu, the TPU compiler, is not installed: install the extra `fit` (pip install 'lwm-operator[fit]')"


class Target(Contract):
    """The kind of device: what a run config does not say about the machine."""

    platform: Literal["cpu", "tpu"]
    topology: str = ""
    """Family and topology of a slice, such as v5p:8x8x4. The run says how many slices. Empty for CPU."""

    @property
    def family(self) -> str:
        """The name of the TPU family, such as v5p. Empty for CPU."""
        return self.topology.partition(":")[0]

    @property
    def tpu_family(self) -> TpuFamily | None:
        """Figures of the TPU family; None for CPU."""
        return TPU_FAMILIES.get(self.family)

    @property
    def available_bytes(self) -> int | None:
        """HBM of a device that a program may use; None for CPU."""
        return self.tpu_family.usable_hbm_bytes if self.tpu_family is not None else None
