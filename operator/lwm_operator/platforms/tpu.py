"""A TPU slice on GKE: its hosts and devices, the selectors, tolerations and environment of its pods."""

import re
from dataclasses import dataclass
from typing import Any

from lwm_operator.platforms.error import PlatformError
from lwm_operator.platforms.gke_tpu_families import GKE_TPU_FAMILIES, GkeTpuFamily, Topology

RESOURCE = "google.com/tpu"
TPU_ACCELERATOR_LABEL = "cloud.google.com/gke-tpu-accelerator"
TOPOLOGY_LABEL = "cloud.google.com/gke-tpu-topology"
CHIPS_LABEL = "cloud.google.com/gke-accelerator-count"
"""The number of chips of the node. GKE's TPU device plugin does not start without it (ai-on-gke/tpu-device-plugin@4626a9f
pkg/tpu/util/util.go)."""

NODE_POOL_LABEL = "cloud.google.com/gke-nodepool"
"""A slice of several hosts is one whole node pool (GKE: "About TPUs in GKE"; xpk's exclusive topology)."""

SPOT_LABEL = "cloud.google.com/gke-spot"
RESERVATION_LABEL = "cloud.google.com/reservation-name"
RESERVATION_PROJECT_LABEL = "cloud.google.com/reservation-project"
RESERVATION_AFFINITY_LABEL = "cloud.google.com/reservation-affinity"
RESERVATION = re.compile(r"(?:projects/(?P<project>[^/]+)/reservations/)?(?P<name>[^/]+)")

SET_BY_GKE = (
    "ALT",
    "CHIPS_PER_HOST_BOUNDS",
    "ENABLE_ICI_RESILIENCY",
    "HOST_BOUNDS",
    "TPU_ACCELERATOR_TYPE",
    "TPU_CHIPS_PER_HOST_BOUNDS",
    "TPU_HOST_BOUNDS",
    "TPU_RUNTIME_METRICS_PORTS",
    "TPU_SKIP_MDS_QUERY",
    "TPU_TOPOLOGY",
    "TPU_TOPOLOGY_ALT",
    "TPU_TOPOLOGY_WRAP",
    "VBAR_CONTROL_SERVICE_URL",
    "WRAP",
)
"""GKE's TPU device plugin sets these in every container that requests chips, from the node's labels (util.go, InitEnvs). A value of the
pod would override the plugin's, so the operator refuses them."""

NEAREST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceShape:
    """One slice: `hosts` pods with `chips_per_host` chips and `devices_per_host` JAX devices each."""

    hosts: int
    chips_per_host: int
    devices_per_host: int
    chips: int
    machine: str

    @property
    def single_host(self) -> bool:
        return self.hosts == 1


def slice_shape(family: str, topology: str, chips_per_host: int | None = None) -> SliceShape:
    """The shape of a slice. Raises PlatformError if the family has no such topology, or no machine with that many chips builds it."""
    gke_family = _family(family)
    offered = _topology(gke_family, topology)
    chips = chips_per_host if chips_per_host is not None else offered.machines[0].chips
    machine = next((machine for machine in offered.machines if machine.chips == chips), None)
    if machine is None:
        choices = _either([str(machine.chips) for machine in offered.machines])
        raise PlatformError(f"{family} {topology} has no hosts of {chips} chips: use chipsPerHost {choices}")
    return SliceShape(
        hosts=offered.chips // machine.chips,
        chips_per_host=machine.chips,
        devices_per_host=machine.chips * gke_family.chip.devices_per_chip,
        chips=offered.chips,
        machine=machine.name,
    )


def selectors(
    family: str, topology: str, *, spot: bool = False, reservation: str | None = None, chips_per_host: int | None = None
) -> dict[str, str]:
    """Node labels of such a slice.

    A reservation is `NAME`, or `projects/PROJECT/reservations/NAME` if another project shares it.
    """
    shape = slice_shape(family, topology, chips_per_host)
    labels = {TPU_ACCELERATOR_LABEL: GKE_TPU_FAMILIES[family].accelerator_label, TOPOLOGY_LABEL: topology}
    if len(GKE_TPU_FAMILIES[family].topologies[topology].machines) > 1:
        # Otherwise a pod that requests four chips also fits on a host of eight, and the slice is never complete.
        labels[CHIPS_LABEL] = str(shape.chips_per_host)
    if spot and reservation:
        raise PlatformError("spot and reservation exclude each other: set one of them")
    if spot:
        labels[SPOT_LABEL] = "true"
    if reservation:
        parts = RESERVATION.fullmatch(reservation)
        if parts is None:
            raise PlatformError(f"invalid reservation {reservation}: use NAME or projects/PROJECT/reservations/NAME")
        labels |= {RESERVATION_LABEL: parts["name"], RESERVATION_AFFINITY_LABEL: "specific"}
        if parts["project"]:
            labels[RESERVATION_PROJECT_LABEL] = parts["project"]
    return labels


def tolerations(spot: bool = False) -> list[dict[str, Any]]:
    """Tolerations of the taint on every TPU node, and of the taint that spot node pools usually have."""
    taints: list[dict[str, Any]] = [{"key": RESOURCE, "operator": "Exists", "effect": "NoSchedule"}]
    if spot:
        taints.append({"key": SPOT_LABEL, "operator": "Equal", "value": "true", "effect": "NoSchedule"})
    return taints


def environment(*, slices: int, slice_index: int, coordinator: str) -> dict[str, str]:
    """Variables of all hosts of slice `slice_index` (0-based). `coordinator` is the DNS name of host 0 of slice 0, without a port.

    A single slice needs nothing beyond what GKE sets (SET_BY_GKE). Several slices need the three variables that libtpu and JAX read
    (jax/_src/clusters/cloud_tpu_cluster.py). The port is libtpu's default. The trainer computes TPU_WORKER_ID and TPU_WORKER_HOSTNAMES,
    because they differ by host.
    """
    if slices == 1:
        return {}
    if not 0 <= slice_index < slices:
        raise PlatformError(f"slice {slice_index} of {slices} does not exist: slices count from 0 to {slices - 1}")
    return {
        "MEGASCALE_COORDINATOR_ADDRESS": coordinator,
        "MEGASCALE_NUM_SLICES": str(slices),
        "MEGASCALE_SLICE_ID": str(slice_index),
    }


def _family(name: str) -> GkeTpuFamily:
    if name not in GKE_TPU_FAMILIES:
        raise PlatformError(f"unknown TPU family {name}: use {_either(list(GKE_TPU_FAMILIES))}")
    return GKE_TPU_FAMILIES[name]


def _topology(family: GkeTpuFamily, name: str) -> Topology:
    if name in family.topologies:
        return family.topologies[name]
    if not re.fullmatch(r"[1-9]\d{0,5}(x[1-9]\d{0,5})*", name):
        raise PlatformError(
            f"invalid topology {name!r}: write the chips along each axis, as {'4x4x4' if family.chip.dimensions == 3 else '4x4'}"
        )
    unknown = Topology(name, (), "")
    nearest = sorted(family.topologies.values(), key=lambda topology: _distance(unknown, topology))[:NEAREST]
    choices = _either([topology.name for topology in nearest])
    if len(unknown.axes) != family.chip.dimensions:
        raise PlatformError(
            f"{name} has {len(unknown.axes)} axes, and topologies of {family.name} have {family.chip.dimensions}: use {choices}"
        )
    if sorted(unknown.axes) == sorted(nearest[0].axes):
        raise PlatformError(f"{name} has its axes in another order than {family.name}: write {nearest[0].name}")
    raise PlatformError(f"unknown topology {name} of {family.name}: use {choices}")


def _distance(unknown: Topology, topology: Topology) -> tuple[int, int, int]:
    """Sort key: difference in chips, then in shape, then the larger topology first."""
    axes = zip(sorted(unknown.axes, reverse=True), sorted(topology.axes, reverse=True), strict=False)
    return abs(unknown.chips - topology.chips), sum(abs(one - other) for one, other in axes), -topology.chips


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
