"""The TPU families as GKE sells them: which topologies each has, on which machines, with what in a chip."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import prod
from types import MappingProxyType

XPK = "AI-Hypercomputer/xpk@367c838 src/xpk/core/system_characteristics.py"
PLAN = "https://cloud.google.com/kubernetes-engine/docs/concepts/plan-tpus"
TOPOLOGIES = "https://cloud.google.com/tpu/docs/types-topologies"
V5E = "https://docs.cloud.google.com/tpu/docs/v5e"
V5P = "https://cloud.google.com/tpu/docs/supported-tpu-configurations"
V6E = "https://docs.cloud.google.com/tpu/docs/v6e"
IRONWOOD = "https://docs.cloud.google.com/kubernetes-engine/docs/concepts/tpu-ironwood"
PALLAS = "jax 0.10.2 jax/_src/pallas/mosaic/tpu_info.py (HBM, cores)"
LIBTPU = "libtpu's own topology descriptions, read with jax.experimental.topologies (devices, hosts of four chips)"

CUBE = 4
"""Chips along each side of the blocks that optical switches join into larger slices."""

LONGEST = 256
"""Chips along the longest axis that xpk accepts."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A host: the Compute Engine machine type and the TPU chips in it."""

    name: str
    chips: int


@dataclass(frozen=True, slots=True)
class Row:
    """A topology that a family has; of several machines that build it, the first is taken when nobody chooses."""

    topology: str
    machines: tuple[Machine, ...]
    source: str

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(int(axis) for axis in self.topology.split("x"))

    @property
    def chips(self) -> int:
        return prod(self.axes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """`rule` says in words what `rows` lists; `devices_per_chip` counts what `jax.devices()` shows."""

    name: str
    accelerator: str
    dimensions: int
    devices_per_chip: int
    hbm_bytes_per_chip: int
    rule: str
    rows: Mapping[str, Row]
    sources: tuple[str, ...]


def _rows(*groups: tuple[str, tuple[Machine, ...], str]) -> Mapping[str, Row]:
    listed = [Row(topology, machines, source) for topologies, machines, source in groups for topology in topologies.split()]
    return MappingProxyType({row.topology: row for row in listed})


def _cubes(most: int) -> Iterator[str]:
    """Every AxBxC of whole cubes, at most `most` of them, shortest axis first."""
    sides = range(1, LONGEST // CUBE + 1)
    found = (sides for sides in combinations_with_replacement(sides, 3) if prod(sides) <= most)
    yield from ("x".join(str(side * CUBE) for side in three) for three in sorted(found, key=lambda three: (prod(three), three)))


def _three(machine: Machine, most: int, source: str) -> tuple[str, tuple[Machine, ...], str]:
    return " ".join(["2x2x1 2x2x2 2x2x4 2x4x4", *_cubes(most)]), (machine,), source


def _cube_rule(most: int) -> str:
    return f"2x2x1, 2x2x2, 2x2x4, 2x4x4, or whole cubes of 4x4x4, at most {most} of them, axes ascending, none above {LONGEST}"


V4_HOST = Machine("ct4p-hightpu-4t", 4)
V5E_CHIP, V5E_HOST, V5E_LARGE = Machine("ct5lp-hightpu-1t", 1), Machine("ct5lp-hightpu-4t", 4), Machine("ct5lp-hightpu-8t", 8)
V5P_HOST = Machine("ct5p-hightpu-4t", 4)
V6E_CHIP, V6E_HOST, V6E_LARGE = Machine("ct6e-standard-1t", 1), Machine("ct6e-standard-4t", 4), Machine("ct6e-standard-8t", 8)
V7X_CHIP, V7X_HOST = Machine("tpu7x-standard-1t", 1), Machine("tpu7x-standard-4t", 4)

FLAT = "4x4 4x8 8x8 8x16 16x16"
FLAT_RULE = "1x1, 2x2, 2x4, 4x4, 4x8, 8x8, 8x16 or 16x16"

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            Family(
                name="v4",
                accelerator="tpu-v4-podslice",
                dimensions=3,
                # Two cores per chip that run as one device ("megacore"), the default on Cloud TPU.
                devices_per_chip=1,
                hbm_bytes_per_chip=34_400_000_000,
                rule=_cube_rule(64),
                rows=_rows(_three(V4_HOST, 64, XPK)),
                sources=(XPK, TOPOLOGIES, PLAN, PALLAS, f"{LIBTPU}, megacore"),
            ),
            Family(
                name="v5e",
                accelerator="tpu-v5-lite-podslice",
                dimensions=2,
                devices_per_chip=1,
                hbm_bytes_per_chip=17_200_000_000,
                rule=FLAT_RULE,
                rows=_rows(
                    ("1x1", (V5E_CHIP,), V5E),
                    ("2x2", (V5E_HOST,), V5E),
                    # Two hosts first: what xpk trains on; the single host of eight chips is documented for inference.
                    ("2x4", (V5E_HOST, V5E_LARGE), f"{XPK}; {V5E}"),
                    (FLAT, (V5E_HOST,), XPK),
                ),
                sources=(XPK, V5E, PLAN, PALLAS, LIBTPU),
            ),
            Family(
                name="v5p",
                accelerator="tpu-v5p-slice",
                dimensions=3,
                devices_per_chip=1,
                hbm_bytes_per_chip=103_000_000_000,
                rule=_cube_rule(140),
                rows=_rows(_three(V5P_HOST, 140, XPK)),
                sources=(XPK, V5P, PLAN, PALLAS, LIBTPU),
            ),
            Family(
                name="v6e",
                accelerator="tpu-v6e-slice",
                dimensions=2,
                devices_per_chip=1,
                hbm_bytes_per_chip=34_400_000_000,
                rule=FLAT_RULE,
                rows=_rows(
                    ("1x1", (V6E_CHIP,), V6E),
                    ("2x2", (V6E_HOST,), V6E),
                    ("2x4", (V6E_HOST, V6E_LARGE), V6E),
                    (FLAT, (V6E_HOST,), V6E),
                ),
                sources=(V6E, XPK, PLAN, PALLAS, LIBTPU),
            ),
            Family(
                name="v7x",
                accelerator="tpu7x",
                dimensions=3,
                devices_per_chip=2,
                hbm_bytes_per_chip=206_000_000_000,
                rule=f"1x1x1, {_cube_rule(144)}",
                rows=_rows(("1x1x1", (V7X_CHIP,), XPK), _three(V7X_HOST, 144, XPK)),
                sources=(XPK, IRONWOOD, PALLAS, LIBTPU),
            ),
        )
    }
)
