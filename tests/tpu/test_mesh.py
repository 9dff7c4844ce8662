from typing import Any

import numpy as np
import pytest
from jax.experimental import topologies

import lwm_trainer.fit.compile.topology  # noqa: F401 - sets libtpu's environment
from lwm_trainer.parallel.mesh import arrange_devices

RING, TP = 2, 4
"""Axes of the mesh."""


def hops(mesh: np.ndarray, axis: int, size: list[int]) -> float:
    """Mean number of links of a torus of `size` chips between neighbours along an axis of the mesh."""

    def between(a: object, b: object) -> int:
        return sum(min(abs(x - y), n - abs(x - y)) for x, y, n in zip(a.coords, b.coords, size, strict=True))  # type: ignore[attr-defined]

    return float(np.mean([between(a, b) for a, b in zip(mesh.flat, np.roll(mesh, -1, axis=axis).flat, strict=True)]))


@pytest.mark.parametrize(
    ("topology", "shape"),
    [
        ("v5p:4x4x4", (1, 1, 16, 1, 4)),
        ("v5p:8x8x16", (1, 8, 32, 1, 4)),
        ("v5e:16x16", (1, 1, 64, 1, 4)),
        ("v6e:16x16", (2, 2, 16, 1, 4)),
        ("v4:4x4x8", (2, 1, 16, 1, 4)),
    ],
)
def test_the_ring_follows_the_torus_better_than_the_order_of_the_hosts_does(topology: str, shape: tuple[int, ...]) -> None:
    megacore = {"chip_config_name": "megacore"} if topology.startswith("v4") else {}
    devices: list[Any] = topologies.get_topology_desc(platform="tpu", topology_name=topology, **megacore).devices
    sides = [int(side) for side in topology.partition(":")[2].split("x")] + [1]
    mesh = arrange_devices(devices, shape)
    assert {device.id for device in mesh.flat} == {device.id for device in devices}
    by_host = np.array(sorted(devices, key=lambda device: (device.process_index, device.id))).reshape(shape)
    assert hops(mesh, RING, sides[:3]) < hops(by_host, RING, sides[:3])
    assert hops(mesh, TP, sides[:3]) <= 1.5


def test_only_data_parallelism_crosses_slices() -> None:
    devices = topologies.get_topology_desc(platform="tpu", topology_name="v5p:2x2x4", num_slices=2).devices
    mesh = arrange_devices(devices, (4, 1, 2, 1, 4))
    assert [{device.slice_index for device in replica.flat} for replica in mesh] == [{0}, {0}, {1}, {1}]
