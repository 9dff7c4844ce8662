"""A slice of TPU chips: how many hosts and devices it is, where its pods may run, and what they must be told."""

import re
from dataclasses import dataclass
from typing import Any

from lwm_operator.platforms.error import PlatformError
from lwm_operator.platforms.tpu_families import FAMILIES, Family, Row

__all__ = ["FAMILIES", "PlatformError", "SliceShape", "environment", "selectors", "slice_shape", "tolerations"]

RESOURCE = "google.com/tpu"
ACCELERATOR_LABEL = "cloud.google.com/gke-tpu-accelerator"
TOPOLOGY_LABEL = "cloud.google.com/gke-tpu-topology"
CHIPS_LABEL = "cloud.google.com/gke-accelerator-count"
"""Chips of the node; GKE's TPU device plugin does not start without it (ai-on-gke/tpu-device-plugin@4626a9f pkg/tpu/util/util.go)."""

NODE_POOL_LABEL = "cloud.google.com/gke-nodepool"
"""A slice of several hosts is one node pool, and all of it (GKE: "About TPUs in GKE"; xpk's exclusive topology)."""

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
"""GKE's TPU device plugin gives these to every container that asks for chips, from the labels of the node it is on (util.go, InitEnvs).
A pod's own value would win over the plugin's, right or wrong: so nobody sets them."""

NEAREST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceShape:
    """One slice: `hosts` pods of `chips_per_host` chips, each with `devices_per_host` JAX devices."""

    hosts: int
    chips_per_host: int
    devices_per_host: int
    chips: int
    machine: str

    @property
    def single_host(self) -> bool:
        return self.hosts == 1


def slice_shape(family: str, topology: str, chips_per_host: int | None = None) -> SliceShape:
    """The shape of a slice; PlatformError when the family has no such topology or no machine with that many chips builds it."""
    row = _row(_family(family), topology)
    wanted = chips_per_host if chips_per_host is not None else row.machines[0].chips
    machine = next((machine for machine in row.machines if machine.chips == wanted), None)
    if machine is None:
        right = _either([str(machine.chips) for machine in row.machines])
        raise PlatformError(f"{family} {topology} has no hosts of {wanted} chips: use chipsPerHost {right}")
    return SliceShape(
        hosts=row.chips // machine.chips,
        chips_per_host=machine.chips,
        devices_per_host=machine.chips * _family(family).devices_per_chip,
        chips=row.chips,
        machine=machine.name,
    )


def selectors(
    family: str, topology: str, *, spot: bool = False, reservation: str | None = None, chips_per_host: int | None = None
) -> dict[str, str]:
    """Labels of the nodes of such a slice.

    A reservation is `NAME`, or `projects/PROJECT/reservations/NAME` when another project shares it.
    """
    shape = slice_shape(family, topology, chips_per_host)
    found = {ACCELERATOR_LABEL: FAMILIES[family].accelerator, TOPOLOGY_LABEL: topology}
    if len(FAMILIES[family].rows[topology].machines) > 1:
        # Else a pod that asks for four chips fits a host of eight, too, and the slice is never whole.
        found[CHIPS_LABEL] = str(shape.chips_per_host)
    if spot and reservation:
        raise PlatformError("spot and reservation exclude each other: set one of them")
    if spot:
        found[SPOT_LABEL] = "true"
    if reservation:
        parts = RESERVATION.fullmatch(reservation)
        if parts is None:
            raise PlatformError(f"{reservation} is no reservation: use NAME or projects/PROJECT/reservations/NAME")
        found |= {RESERVATION_LABEL: parts["name"], RESERVATION_AFFINITY_LABEL: "specific"}
        if parts["project"]:
            found[RESERVATION_PROJECT_LABEL] = parts["project"]
    return found


def tolerations(spot: bool = False) -> list[dict[str, Any]]:
    """Of the taint on every TPU node, and of the one that spot node pools usually carry."""
    found: list[dict[str, Any]] = [{"key": RESOURCE, "operator": "Exists", "effect": "NoSchedule"}]
    if spot:
        found.append({"key": SPOT_LABEL, "operator": "Equal", "value": "true", "effect": "NoSchedule"})
    return found


def environment(*, slices: int, slice_index: int, coordinator: str) -> dict[str, str]:
    """What all hosts of slice `slice_index` (from 0) are told; `coordinator` is the DNS name of host 0 of slice 0, without a port.

    One slice needs nothing beyond what GKE sets (SET_BY_GKE). Several need the three variables that libtpu and JAX read
    (jax/_src/clusters/cloud_tpu_cluster.py); the port is libtpu's own default. TPU_WORKER_ID and TPU_WORKER_HOSTNAMES differ by host:
    the trainer computes them.
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


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise PlatformError(f"{name} is no TPU family: use {_either(list(FAMILIES))}")
    return FAMILIES[name]


def _row(family: Family, topology: str) -> Row:
    if topology in family.rows:
        return family.rows[topology]
    if not re.fullmatch(r"[1-9]\d{0,5}(x[1-9]\d{0,5})*", topology):
        raise PlatformError(
            f"{topology!r} is no topology: write the chips along each axis, as {'4x4x4' if family.dimensions == 3 else '4x4'}"
        )
    wanted = Row(topology, (), "")
    near = sorted(family.rows.values(), key=lambda row: _distance(wanted, row))[:NEAREST]
    right = _either([row.topology for row in near])
    if len(wanted.axes) != family.dimensions:
        raise PlatformError(
            f"{topology} has {len(wanted.axes)} axes, and topologies of {family.name} have {family.dimensions}: use {right}"
        )
    if sorted(wanted.axes) == sorted(near[0].axes):
        raise PlatformError(f"{topology} has its axes in another order than {family.name}: write {near[0].topology}")
    raise PlatformError(f"{topology} is no topology of {family.name}: use {right}")


def _distance(wanted: Row, row: Row) -> tuple[int, int, int]:
    """By chips, then by shape, then the larger first."""
    axes = zip(sorted(wanted.axes, reverse=True), sorted(row.axes, reverse=True), strict=False)
    return abs(wanted.chips - row.chips), sum(abs(one - other) for one, other in axes), -row.chips


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
