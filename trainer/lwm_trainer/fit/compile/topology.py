"""TPU devices that are not there: the real TPU compiler, libtpu, takes their descriptions.

libtpu reads its environment once, when it is loaded; this module sets it on import and asks it for nothing.
"""

import os
from typing import Any

import numpy as np
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from lwm_trainer import config
from lwm_trainer.fit.compile.target import NO_LIBTPU
from lwm_trainer.parallel.mesh import AXIS_NAMES, placed

try:
    import libtpu
except ImportError as error:
    raise ImportError(NO_LIBTPU) from error

os.environ |= {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # nothing here runs on a TPU that two processes could both want
    "TPU_ACCELERATOR_TYPE": "v5litepod-16",  # of the host that compiles, not of the target; any will do
    "TPU_LIBRARY_PATH": libtpu.get_library_path(),
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}


def devices(topology: str, slices: int = 1) -> list[Any]:
    """Descriptions of the devices of `slices` slices such as "v5p:2x2x1", one a chip."""
    described: dict[str, Any] = {"num_slices": slices} if slices > 1 else {}
    if topology.startswith("v4"):
        described["chip_config_name"] = "megacore"  # else each of a chip's two cores counts as a device
    found: list[Any] = topologies.get_topology_desc(platform="tpu", topology_name=topology, **described).devices
    return found


def mesh(topology: str, *, ring: int, ulysses: int = 1, tp: int = 1) -> Mesh:
    """The trainer's axes over the devices of a slice in libtpu's order; what the sizes leave over is data parallel."""
    return _mesh(np.array(devices(topology)).reshape(-1, 1, ring, ulysses, tp))


def mesh_of(axes: config.Mesh, slices: int, topology: str) -> Mesh:
    """The mesh that the trainer would make of the slices. Raises ValueError when the topology has another number of chips."""
    chips = devices(topology, slices)
    if len(chips) != axes.size:
        raise ValueError(f"mesh: its product is {axes.size}, but {slices} x {topology} has {len(chips)} chips")
    return _mesh(placed(chips, (axes.dp, axes.fsdp, axes.ring, axes.sp // axes.ring, axes.tp)))


def _mesh(array: Any) -> Mesh:
    return Mesh(array, AXIS_NAMES, axis_types=(AxisType.Auto,) * len(AXIS_NAMES))
