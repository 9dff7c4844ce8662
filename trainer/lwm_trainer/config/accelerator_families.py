"""The TPU families: what a chip of each computes, holds and sends, by published figures.

The API, the operator's platforms and `lwm fit` read this table. A new family is a name and an entry here, and its machines and topologies
in `lwm_operator.platforms.gke_tpu_families`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

TpuFamilyName = Literal["v4", "v5e", "v5p", "v6e", "v7x"]

GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Peak figures of one JAX device. Rates are per second."""

    flops: float
    """FLOP/s in bfloat16."""
    hbm_bytes: int
    hbm_rate: float
    """Bytes between HBM and the cores."""
    ici_rate: float
    """Bytes over one ICI link, one way."""
    dimensions: int
    """Dimensions of the torus. A device has two links in each."""
    dcn_rate: float
    """Bytes to another slice, over the data center network."""
    host_rate: float
    """Bytes to or from host memory, one way."""

    @property
    def links(self) -> int:
        return 2 * self.dimensions


@dataclass(frozen=True, slots=True, kw_only=True)
class TpuFamily:
    """Peak figures of one chip. Rates are per second; what programs reach of them is in `lwm_trainer.fit.estimate`."""

    name: TpuFamilyName
    libtpu_name: str
    """The family's name in libtpu's topologies, such as v5p in v5p:2x2x1."""
    libtpu_options: Mapping[str, str] = field(default_factory=dict)
    """Options of `jax.experimental.topologies.get_topology_desc`."""
    devices_per_chip: int
    """JAX devices: one per chip, or one per TensorCore."""
    dimensions: int
    """Dimensions of the torus. A chip has two links in each."""
    flops: float
    hbm_bytes: int
    usable_hbm_bytes: int
    """HBM of one JAX device that a program may use, by libtpu 0.0.42.1. Asked for 300 GiB, its compiler answers for v4: "exceeds available
    HBM (30.75G)". The runtime reserves the rest."""
    hbm_rate: float
    ici_rate: float
    dcn_rate: float
    host_rate: float
    sources: tuple[str, ...]

    @property
    def device(self) -> Device:
        """The chip's figures divided evenly among its JAX devices."""
        return Device(
            flops=self.flops / self.devices_per_chip,
            hbm_bytes=self.hbm_bytes // self.devices_per_chip,
            hbm_rate=self.hbm_rate / self.devices_per_chip,
            ici_rate=self.ici_rate / self.devices_per_chip,
            dimensions=self.dimensions,
            dcn_rate=self.dcn_rate / self.devices_per_chip,
            host_rate=self.host_rate / self.devices_per_chip,
        )


HBM = "HBM bytes: jax 0.10.2 jax/_src/pallas/mosaic/tpu_info.py"
DEVICES = "devices: libtpu's own topology descriptions, read with jax.experimental.topologies"
HOST = "host: estimate, 16 lanes of PCIe Gen3"
HOST_GEN5 = "host: estimate, half the rate of 16 lanes of PCIe Gen5"

TPU_FAMILIES: Mapping[str, TpuFamily] = MappingProxyType(
    {
        family.name: family
        for family in (
            TpuFamily(
                name="v4",
                libtpu_name="v4",
                # Both cores of a chip run as one device, the default on Cloud TPU. Without the option each core is a device.
                libtpu_options={"chip_config_name": "megacore"},
                devices_per_chip=1,
                dimensions=3,
                flops=2.75e14,
                hbm_bytes=34_400_000_000,
                usable_hbm_bytes=int(30.75 * GIB),
                hbm_rate=1.2e12,
                ici_rate=5e10,
                dcn_rate=6.25e9,
                host_rate=1.6e10,
                sources=(
                    "https://cloud.google.com/tpu/docs/v4 (275 TFLOPs, 32 GiB, 1200 GBps)",
                    "ICI: that page's all-reduce rate, 1.1 PB/s of 4096 chips with 6 links, is 4.5e10 after losses: taken as 5e10",
                    "DCN: estimate, as v5p",
                    HBM,
                    f"{DEVICES}, megacore",
                    HOST,
                ),
            ),
            TpuFamily(
                name="v5e",
                libtpu_name="v5e",
                devices_per_chip=1,
                dimensions=2,
                flops=1.97e14,
                hbm_bytes=17_200_000_000,
                usable_hbm_bytes=int(15.75 * GIB),
                hbm_rate=8.19e11,
                ici_rate=5e10,
                dcn_rate=3.125e9,
                host_rate=1.6e10,
                sources=(
                    "https://docs.cloud.google.com/tpu/docs/v5e (197 TFLOPs, 819 GBps; ICI 400 GBps both ways over 4 ports; "
                    "DCN 6.4 Tbps a pod of 256)",
                    HBM,
                    DEVICES,
                    HOST,
                ),
            ),
            TpuFamily(
                name="v5p",
                libtpu_name="v5p",
                devices_per_chip=1,
                dimensions=3,
                flops=4.59e14,
                hbm_bytes=103_000_000_000,
                usable_hbm_bytes=int(95.74 * GIB),
                hbm_rate=2.765e12,
                ici_rate=1e11,
                dcn_rate=6.25e9,
                host_rate=1.6e10,
                sources=(
                    "https://docs.cloud.google.com/tpu/docs/v5p (459 TFLOPs, 2765 GBps; ICI 1200 GBps both ways, 3D torus; DCN 50 Gbps)",
                    HBM,
                    DEVICES,
                    HOST,
                ),
            ),
            TpuFamily(
                name="v6e",
                libtpu_name="v6e",
                devices_per_chip=1,
                dimensions=2,
                flops=9.18e14,
                hbm_bytes=34_400_000_000,
                usable_hbm_bytes=int(31.25 * GIB),
                hbm_rate=1.638e12,
                ici_rate=1e11,
                dcn_rate=1.25e10,
                host_rate=3.2e10,
                sources=(
                    "https://docs.cloud.google.com/tpu/docs/v6e (918 TFLOPs, 1638 GBps; ICI 800 GBps both ways over 4 ports)",
                    "DCN: https://docs.cloud.google.com/tpu/docs/tpu7x (100 Gbps)",
                    HBM,
                    DEVICES,
                    HOST_GEN5,
                ),
            ),
            TpuFamily(
                name="v7x",
                libtpu_name="tpu7x",
                # Each of the two chiplets is a JAX device with half of the HBM.
                devices_per_chip=2,
                dimensions=3,
                flops=2.307e15,
                hbm_bytes=206_000_000_000,
                usable_hbm_bytes=int(94.75 * GIB),
                hbm_rate=7.38e12,
                ici_rate=1e11,
                dcn_rate=1.25e10,
                host_rate=3.2e10,
                sources=(
                    "https://docs.cloud.google.com/tpu/docs/tpu7x (2307 TFLOPs, 7380 GBps; ICI 1200 GBps both ways; DCN 100 Gbps)",
                    HBM,
                    DEVICES,
                    HOST_GEN5,
                ),
            ),
        )
    }
)
