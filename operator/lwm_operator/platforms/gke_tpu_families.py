"""The TPU families on GKE: node label, machine types, topologies. Figures of chips: `lwm_trainer.config.accelerator_families`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import prod
from types import MappingProxyType

from lwm_trainer.config.accelerator_families import TPU_FAMILIES, TpuFamily, TpuFamilyName

XPK = "AI-Hypercomputer/xpk@367c838 src/xpk/core/system_characteristics.py"
PLAN = "https://cloud.google.com/kubernetes-engine/docs/concepts/plan-tpus"
TOPOLOGIES = "https://cloud.google.com/tpu/docs/types-topologies"
V5E = "https://docs.cloud.google.com/tpu/docs/v5e"
V5P = "https://cloud.google.com/tpu/docs/supported-tpu-configurations"
V6E = "https://docs.cloud.google.com/tpu/docs/v6e"
IRONWOOD = "https://docs.cloud.google.com/kubernetes-engine/docs/concepts/tpu-ironwood"

CUBE = 4
"""Chips along each side of a cube. Optical switches join cubes into larger slices."""

LONGEST = 256
"""The longest axis that xpk accepts, in chips."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A host: the Compute Engine machine type and the TPU chips in it."""

    name: str
    chips: int


@dataclass(frozen=True, slots=True)
class Topology:
    """A topology that GKE offers. If several machine types build it, the first one is the default."""

    name: str
    """Chips along each axis, such as 4x4x8."""
    machines: tuple[Machine, ...]
    source: str

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(int(axis) for axis in self.name.split("x"))

    @property
    def chips(self) -> int:
        return prod(self.axes)


@dataclass(frozen=True, slots=True, kw_only=True)
class GkeTpuFamily:
    """What GKE offers of one family."""

    name: TpuFamilyName
    accelerator_label: str
    """Value of the node label `cloud.google.com/gke-tpu-accelerator`."""
    topology_rule: str
    """The topologies in words."""
    topologies: Mapping[str, Topology]
    """The topologies by name."""
    gke_sources: tuple[str, ...]

    @property
    def chip(self) -> TpuFamily:
        return TPU_FAMILIES[self.name]

    @property
    def sources(self) -> tuple[str, ...]:
        return (*self.gke_sources, *self.chip.sources)


def _topologies(*groups: tuple[str, tuple[Machine, ...], str]) -> Mapping[str, Topology]:
    """Topologies by name. A group has names separated by spaces, their machine types, and the source."""
    listed = [Topology(name, machines, source) for names, machines, source in groups for name in names.split()]
    return MappingProxyType({topology.name: topology for topology in listed})


def _cubes(most: int) -> Iterator[str]:
    """Every topology AxBxC of at most `most` whole cubes, shortest axis first."""
    lengths = range(1, LONGEST // CUBE + 1)
    shapes = (shape for shape in combinations_with_replacement(lengths, 3) if prod(shape) <= most)
    yield from ("x".join(str(length * CUBE) for length in shape) for shape in sorted(shapes, key=lambda shape: (prod(shape), shape)))


def _three_dimensional(machine: Machine, most: int, source: str) -> tuple[str, tuple[Machine, ...], str]:
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

GKE_TPU_FAMILIES: Mapping[str, GkeTpuFamily] = MappingProxyType(
    {
        family.name: family
        for family in (
            GkeTpuFamily(
                name="v4",
                accelerator_label="tpu-v4-podslice",
                topology_rule=_cube_rule(64),
                topologies=_topologies(_three_dimensional(V4_HOST, 64, XPK)),
                gke_sources=(XPK, TOPOLOGIES, PLAN),
            ),
            GkeTpuFamily(
                name="v5e",
                accelerator_label="tpu-v5-lite-podslice",
                topology_rule=FLAT_RULE,
                topologies=_topologies(
                    ("1x1", (V5E_CHIP,), V5E),
                    ("2x2", (V5E_HOST,), V5E),
                    # Two hosts first: what xpk trains on; the single host of eight chips is documented for inference.
                    ("2x4", (V5E_HOST, V5E_LARGE), f"{XPK}; {V5E}"),
                    (FLAT, (V5E_HOST,), XPK),
                ),
                gke_sources=(XPK, V5E, PLAN),
            ),
            GkeTpuFamily(
                name="v5p",
                accelerator_label="tpu-v5p-slice",
                topology_rule=_cube_rule(140),
                topologies=_topologies(_three_dimensional(V5P_HOST, 140, XPK)),
                gke_sources=(XPK, V5P, PLAN),
            ),
            GkeTpuFamily(
                name="v6e",
                accelerator_label="tpu-v6e-slice",
                topology_rule=FLAT_RULE,
                topologies=_topologies(
                    ("1x1", (V6E_CHIP,), V6E),
                    ("2x2", (V6E_HOST,), V6E),
                    ("2x4", (V6E_HOST, V6E_LARGE), V6E),
                    (FLAT, (V6E_HOST,), V6E),
                ),
                gke_sources=(V6E, XPK, PLAN),
            ),
            GkeTpuFamily(
                name="v7x",
                accelerator_label="tpu7x",
                topology_rule=f"1x1x1, {_cube_rule(144)}",
                topologies=_topologies(("1x1x1", (V7X_CHIP,), XPK), _three_dimensional(V7X_HOST, 144, XPK)),
                gke_sources=(XPK, IRONWOOD),
            ),
        )
    }
)
