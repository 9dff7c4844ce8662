"""TPU devices that are not there: the real TPU compiler, libtpu, takes their descriptions.

libtpu reads its environment once, when it is loaded; this module sets it on import and asks it for nothing.
"""

import os
from typing import Any

import libtpu
import numpy as np
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from lwm_trainer.mesh import AXIS_NAMES

os.environ |= {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # nothing here runs on a TPU that two processes could both want
    "TPU_ACCELERATOR_TYPE": "v5litepod-16",  # of the host that compiles, not of the target; any will do
    "TPU_LIBRARY_PATH": libtpu.get_library_path(),
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}


def mesh(topology: str, *, ring: int, ulysses: int = 1, tp: int = 1) -> Mesh:
    """The trainer's mesh over the devices of a slice, such as "v5p:2x2x1"; what the sizes leave over is data parallel."""
    one_device_per_chip = {"chip_config_name": "megacore"} if topology.startswith("v4") else {}
    described = topologies.get_topology_desc(platform="tpu", topology_name=topology, **one_device_per_chip)
    devices: Any = np.array(described.devices).reshape(-1, 1, ring, ulysses, tp)
    return Mesh(devices, AXIS_NAMES, axis_types=(AxisType.Auto,) * len(AXIS_NAMES))
