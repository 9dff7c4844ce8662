"""The table below was written by hand from Google's pages and xpk's table, not from the code."""

import pytest

from lwm_operator.platforms import tpu
from lwm_operator.platforms.error import PlatformError
from lwm_operator.platforms.gke_tpu_families import GKE_TPU_FAMILIES
from lwm_operator.platforms.tpu import environment, selectors, slice_shape, tolerations

V4, V5E, V5P, V6E, V7X = "tpu-v4-podslice", "tpu-v5-lite-podslice", "tpu-v5p-slice", "tpu-v6e-slice", "tpu7x"

# family, topology, requested chipsPerHost, hosts, chips per host, JAX devices per host, chips, machine, accelerator
SLICES = [
    ("v4", "2x2x1", None, 1, 4, 4, 4, "ct4p-hightpu-4t", V4),
    ("v4", "2x2x2", None, 2, 4, 4, 8, "ct4p-hightpu-4t", V4),
    ("v4", "2x2x4", None, 4, 4, 4, 16, "ct4p-hightpu-4t", V4),
    ("v4", "4x4x4", None, 16, 4, 4, 64, "ct4p-hightpu-4t", V4),
    ("v4", "8x8x16", None, 256, 4, 4, 1024, "ct4p-hightpu-4t", V4),
    ("v4", "16x16x16", None, 1024, 4, 4, 4096, "ct4p-hightpu-4t", V4),
    ("v5e", "1x1", None, 1, 1, 1, 1, "ct5lp-hightpu-1t", V5E),
    ("v5e", "2x2", None, 1, 4, 4, 4, "ct5lp-hightpu-4t", V5E),
    ("v5e", "2x4", None, 2, 4, 4, 8, "ct5lp-hightpu-4t", V5E),
    ("v5e", "2x4", 4, 2, 4, 4, 8, "ct5lp-hightpu-4t", V5E),
    ("v5e", "2x4", 8, 1, 8, 8, 8, "ct5lp-hightpu-8t", V5E),
    ("v5e", "4x4", None, 4, 4, 4, 16, "ct5lp-hightpu-4t", V5E),
    ("v5e", "8x16", None, 32, 4, 4, 128, "ct5lp-hightpu-4t", V5E),
    ("v5e", "16x16", None, 64, 4, 4, 256, "ct5lp-hightpu-4t", V5E),
    ("v5p", "2x2x1", None, 1, 4, 4, 4, "ct5p-hightpu-4t", V5P),
    ("v5p", "2x4x4", None, 8, 4, 4, 32, "ct5p-hightpu-4t", V5P),
    ("v5p", "4x4x8", 4, 32, 4, 4, 128, "ct5p-hightpu-4t", V5P),
    ("v5p", "4x4x116", None, 464, 4, 4, 1856, "ct5p-hightpu-4t", V5P),
    ("v5p", "8x8x8", None, 128, 4, 4, 512, "ct5p-hightpu-4t", V5P),
    ("v5p", "16x16x24", None, 1536, 4, 4, 6144, "ct5p-hightpu-4t", V5P),
    ("v5p", "16x20x28", None, 2240, 4, 4, 8960, "ct5p-hightpu-4t", V5P),
    ("v6e", "1x1", None, 1, 1, 1, 1, "ct6e-standard-1t", V6E),
    ("v6e", "2x2", 4, 1, 4, 4, 4, "ct6e-standard-4t", V6E),
    ("v6e", "2x4", 4, 2, 4, 4, 8, "ct6e-standard-4t", V6E),
    ("v6e", "2x4", 8, 1, 8, 8, 8, "ct6e-standard-8t", V6E),
    ("v6e", "4x8", None, 8, 4, 4, 32, "ct6e-standard-4t", V6E),
    ("v6e", "16x16", None, 64, 4, 4, 256, "ct6e-standard-4t", V6E),
    ("v7x", "1x1x1", None, 1, 1, 2, 1, "tpu7x-standard-1t", V7X),
    ("v7x", "2x2x1", None, 1, 4, 8, 4, "tpu7x-standard-4t", V7X),
    ("v7x", "2x2x2", None, 2, 4, 8, 8, "tpu7x-standard-4t", V7X),
    ("v7x", "4x8x8", None, 64, 4, 8, 256, "tpu7x-standard-4t", V7X),
    ("v7x", "16x24x24", None, 2304, 4, 8, 9216, "tpu7x-standard-4t", V7X),
]


@pytest.mark.parametrize(
    ("family", "topology", "chips_per_host", "hosts", "per_host", "devices", "chips", "machine", "accelerator"), SLICES
)
def test_a_slice_has_the_hosts_devices_and_node_labels_of_the_platform(
    family: str,
    topology: str,
    chips_per_host: int | None,
    hosts: int,
    per_host: int,
    devices: int,
    chips: int,
    machine: str,
    accelerator: str,
) -> None:
    shape = slice_shape(family, topology, chips_per_host)
    assert (shape.hosts, shape.chips_per_host, shape.devices_per_host, shape.chips) == (hosts, per_host, devices, chips)
    assert (shape.machine, shape.single_host) == (machine, hosts == 1)
    labels = selectors(family, topology, chips_per_host=chips_per_host)
    assert labels.pop("cloud.google.com/gke-tpu-accelerator") == accelerator
    assert labels.pop("cloud.google.com/gke-tpu-topology") == topology
    # The label is set only if two machine types build the topology.
    assert labels == ({"cloud.google.com/gke-accelerator-count": str(per_host)} if topology == "2x4" else {})


REFUSALS = [
    ("v5p", "4x4x3", None, "unknown topology 4x4x3 of v5p: use 4x4x4, 2x4x4, 2x2x4 or 2x2x2"),
    ("v5e", "3x3", None, "unknown topology 3x3 of v5e: use 2x4, 2x2, 4x4 or 1x1"),
    ("v6e", "32x32", None, "unknown topology 32x32 of v6e: use 16x16, 8x16, 8x8 or 4x8"),
    ("v5p", "1x1x1", None, "unknown topology 1x1x1 of v5p: use 2x2x1, 2x2x2, 2x2x4 or 2x4x4"),
    ("v5p", "8x4x4", None, "8x4x4 has its axes in another order than v5p: write 4x4x8"),
    ("v6e", "4x2", None, "4x2 has its axes in another order than v6e: write 2x4"),
    ("v4", "1x2x2", None, "1x2x2 has its axes in another order than v4: write 2x2x1"),
    ("v5p", "2x4", None, "2x4 has 2 axes, and topologies of v5p have 3: use 2x2x2, 2x2x1, 2x2x4 or 2x4x4"),
    ("v6e", "4x4x4", None, "4x4x4 has 3 axes, and topologies of v6e have 2: use 8x8, 4x8, 4x4 or 2x4"),
    ("v4", "16", None, "16 has 1 axes, and topologies of v4 have 3: use 2x2x4, 2x2x2, 2x2x1 or 2x4x4"),
    ("v5p", "4x4xfour", None, "invalid topology '4x4xfour': write the chips along each axis, as 4x4x4"),
    ("v5e", "04x4", None, "invalid topology '04x4': write the chips along each axis, as 4x4"),
    ("v6e", "", None, "invalid topology '': write the chips along each axis, as 4x4"),
    ("v5p", "4x4x4", 8, "v5p 4x4x4 has no hosts of 8 chips: use chipsPerHost 4"),
    ("v6e", "2x4", 2, "v6e 2x4 has no hosts of 2 chips: use chipsPerHost 4 or 8"),
    ("v6e", "4x4", 0, "v6e 4x4 has no hosts of 0 chips: use chipsPerHost 4"),
    ("v7x", "1x1x1", 4, "v7x 1x1x1 has no hosts of 4 chips: use chipsPerHost 1"),
    ("v3", "2x2", None, "unknown TPU family v3: use v4, v5e, v5p, v6e or v7x"),
]


@pytest.mark.parametrize(("family", "topology", "chips_per_host", "message"), REFUSALS)
def test_an_unknown_value_is_refused_with_the_nearest_known_ones(
    family: str, topology: str, chips_per_host: int | None, message: str
) -> None:
    with pytest.raises(PlatformError) as refused:
        slice_shape(family, topology, chips_per_host)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("family", "largest", "beyond"), [("v4", "16x16x16", "16x16x20"), ("v5p", "16x20x28", "16x24x24"), ("v7x", "16x24x24", "16x20x32")]
)
def test_cubes_end_with_the_largest_pod(family: str, largest: str, beyond: str) -> None:
    assert slice_shape(family, largest).chips == max(topology.chips for topology in GKE_TPU_FAMILIES[family].topologies.values())
    with pytest.raises(PlatformError, match=f"^unknown topology {beyond} of {family}: use "):
        slice_shape(family, beyond)


def test_hosts_fill_every_topology_and_every_fact_has_a_source() -> None:
    for family in GKE_TPU_FAMILIES.values():
        assert family.sources
        assert family.chip.hbm_bytes > 16e9
        for topology in family.topologies.values():
            assert topology.source
            assert len(topology.axes) == family.chip.dimensions
            assert [topology.chips % machine.chips for machine in topology.machines] == [0] * len(topology.machines)
            assert topology.name == "2x2x1" or list(topology.axes) == sorted(topology.axes)


def test_spot_and_reserved_nodes_are_chosen_by_googles_labels() -> None:
    plain = {"cloud.google.com/gke-tpu-accelerator": "tpu-v5p-slice", "cloud.google.com/gke-tpu-topology": "4x4x4"}
    assert selectors("v5p", "4x4x4") == plain
    assert selectors("v5p", "4x4x4", spot=True) == {**plain, "cloud.google.com/gke-spot": "true"}
    own = {**plain, "cloud.google.com/reservation-name": "spring", "cloud.google.com/reservation-affinity": "specific"}
    assert selectors("v5p", "4x4x4", reservation="spring") == own
    shared = {**own, "cloud.google.com/reservation-project": "lender"}
    assert selectors("v5p", "4x4x4", reservation="projects/lender/reservations/spring") == shared


def test_a_reservation_excludes_spot_and_is_a_name_or_a_path() -> None:
    with pytest.raises(PlatformError, match=r"^spot and reservation exclude each other"):
        selectors("v5p", "4x4x4", spot=True, reservation="spring")
    with pytest.raises(PlatformError, match=r"^invalid reservation lender/spring: use NAME or projects/"):
        selectors("v5p", "4x4x4", reservation="lender/spring")


def test_the_taints_of_tpu_nodes_and_of_spot_nodes_are_tolerated() -> None:
    tpus = {"key": "google.com/tpu", "operator": "Exists", "effect": "NoSchedule"}
    assert tolerations() == [tpus]
    assert tolerations(spot=True) == [
        tpus,
        {"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
    ]


def test_one_slice_is_told_nothing_and_several_find_each_other() -> None:
    assert environment(slices=1, slice_index=0, coordinator="host-0.train") == {}
    assert environment(slices=3, slice_index=2, coordinator="host-0.train") == {
        "MEGASCALE_NUM_SLICES": "3",
        "MEGASCALE_SLICE_ID": "2",
        "MEGASCALE_COORDINATOR_ADDRESS": "host-0.train",
    }
    with pytest.raises(PlatformError, match=r"^slice 3 of 3 does not exist"):
        environment(slices=3, slice_index=3, coordinator="host-0.train")


def test_nothing_that_gke_sets_for_each_node_is_set_by_us() -> None:
    ours = {*environment(slices=2, slice_index=0, coordinator="host-0"), "TPU_WORKER_ID", "TPU_WORKER_HOSTNAMES"}
    assert ours & set(tpu.SET_BY_GKE) == set()
