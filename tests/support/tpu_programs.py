"""What the TPU compiler made of a program, kept from run to run: nothing here loads such a program, and compiling takes most of a test."""

import hashlib
import json
import re
from typing import Any, NamedTuple

import jax
import libtpu
from jax.sharding import Mesh

from support import compiled_programs

SOURCE_LINE = re.compile(r'"[^"]*":\d+:\d+(?: to (?:\d+)?:\d+)?')
"""A place in our sources: it moves with every edit above it, and the compiler takes no notice of it."""


class TpuProgram(NamedTuple):
    """A compiled program as tests see it; sizes in bytes on one device."""

    text: str
    """Its HLO."""
    temp_bytes: int
    host_temp_bytes: int


def compiled(lowered: jax.stages.Lowered, mesh: Mesh) -> TpuProgram:
    """Compile for the devices of `mesh`, or read what an earlier run compiled from the same program, devices and compiler."""
    devices = [(device.device_kind, getattr(device, "coords", None)) for device in mesh.devices.flat]
    program = SOURCE_LINE.sub("", lowered.as_text(debug_info=True))
    key = hashlib.sha256(json.dumps([jax.__version__, libtpu.__version__, devices, program]).encode()).hexdigest()
    path = compiled_programs.FOLDER / "tpu" / f"{key}.json"
    if path.exists():
        return TpuProgram(*json.loads(path.read_text(encoding="utf-8")))
    executable = lowered.compile()
    memory: Any = executable.memory_analysis()
    result = TpuProgram(executable.as_text() or "", memory.temp_size_in_bytes, memory.host_temp_size_in_bytes)
    compiled_programs.write(path, json.dumps(result).encode())
    return result
