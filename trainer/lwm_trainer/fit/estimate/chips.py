"""What a chip of each TPU family computes, holds and sends, by published figures. One JAX device is one chip (v4: megacore)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """Figures are the makers' peaks; what programs reach of them stands in `estimate`. Rates are per second and chip."""

    name: str
    flops: float
    """Peak, bfloat16."""
    hbm_bytes: int
    hbm_rate: float
    """Bytes between HBM and the cores."""
    ici_rate: float
    """Bytes over one link, one way."""
    dimensions: int
    """Of the torus: a chip has two links in each."""
    dcn_rate: float
    """Bytes to another slice, over the data center's network."""
    host_rate: float
    """Bytes to or from the host's memory, one way."""
    sources: tuple[str, ...]

    @property
    def links(self) -> int:
        return 2 * self.dimensions


HBM = "HBM bytes: jax 0.10.2 jax/_src/pallas/mosaic/tpu_info.py, as lwm_operator/platforms/families.py"
HOST = "host: estimate, 16 lanes of PCIe Gen3; v6e: Gen5 by its page, half of which is assumed to be reached"

CHIPS: Mapping[str, Chip] = MappingProxyType(
    {
        chip.name: chip
        for chip in (
            Chip(
                name="v4",
                flops=2.75e14,
                hbm_bytes=34_400_000_000,
                hbm_rate=1.2e12,
                ici_rate=5e10,
                dimensions=3,
                dcn_rate=6.25e9,
                host_rate=1.6e10,
                sources=(
                    "https://cloud.google.com/tpu/docs/v4 (275 TFLOPs, 32 GiB, 1200 GBps)",
                    "ICI: that page's all-reduce rate, 1.1 PB/s of 4096 chips with 6 links, is 4.5e10 after losses: taken as 5e10",
                    "DCN: estimate, as v5p",
                    HBM,
                    HOST,
                ),
            ),
            Chip(
                name="v5e",
                flops=1.97e14,
                hbm_bytes=17_200_000_000,
                hbm_rate=8.19e11,
                ici_rate=5e10,
                dimensions=2,
                dcn_rate=3.125e9,
                host_rate=1.6e10,
                sources=(
                    "https://docs.cloud.google.com/tpu/docs/v5e (197 TFLOPs, 819 GBps; ICI 400 GBps both ways over 4 ports; "
                    "DCN 6.4 Tbps a pod of 256)",
                    HBM,
                    HOST,
                ),
            ),
            Chip(
                name="v5p",
                flops=4.59e14,
                hbm_bytes=103_000_000_000,
                hbm_rate=2.765e12,
                ici_rate=1e11,
                dimensions=3,
                dcn_rate=6.25e9,
                host_rate=1.6e10,
                sources=(
                    "https://docs.cloud.google.com/tpu/docs/v5p (459 TFLOPs, 2765 GBps; ICI 1200 GBps both ways, 3D torus; DCN 50 Gbps)",
                    HBM,
                    HOST,
                ),
            ),
            Chip(
                name="v6e",
                flops=9.18e14,
                hbm_bytes=34_400_000_000,
                hbm_rate=1.638e12,
                ici_rate=1e11,
                dimensions=2,
                dcn_rate=1.25e10,
                host_rate=3.2e10,
                sources=(
                    "https://docs.cloud.google.com/tpu/docs/v6e (918 TFLOPs, 1638 GBps; ICI 800 GBps both ways over 4 ports)",
                    "DCN: estimate, 100 Gbps a chip",
                    HBM,
                    HOST,
                ),
            ),
        )
    }
)
"""By family, as `lwm_operator.platforms` names them."""
