"""`v5p-128`, `v5p:4x4x4`, `8xH100` and `cpu-4` as spec.accelerator, with the figures of a device."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lwm_cli.errors import FileError
from lwm_operator.api.accelerator import Accelerator, Cpu, Gpu, Tpu
from lwm_operator.platforms.gang import Gang, gang_of
from lwm_operator.platforms.gke_tpu_families import GKE_TPU_FAMILIES, GkeTpuFamily
from lwm_trainer.config.accelerator_families import GIB, Device

CORES_COUNTED = {"v4": 2, "v5p": 2}
"""What the number in a TPU's name counts in a chip: TensorCores for these families, chips for the others
(https://cloud.google.com/tpu/docs/v4, https://cloud.google.com/tpu/docs/v5p, https://cloud.google.com/tpu/docs/v6e)."""
HOST_GPUS = 8
"""GPUs of a host, where there are more than one host."""
FORMS = "write a TPU as v5p-128 or v5p:4x4x4, GPUs as 8xH100, CPU devices as cpu-4"


def _gpu(flops: float, gigabytes: int, hbm_rate: float, nvlink: float) -> Device:
    """`nvlink`: bytes to all other GPUs of the host, one way. The ring of the estimate has two links."""
    return Device(
        flops=flops,
        hbm_bytes=gigabytes * 10**9,
        hbm_rate=hbm_rate,
        ici_rate=nvlink / 2,
        dimensions=1,
        dcn_rate=5e10,
        host_rate=3.2e10,
    )


GPUS: Mapping[str, Device] = MappingProxyType(
    {
        "A100": _gpu(3.12e14, 80, 2.039e12, 3e11),
        "H100": _gpu(9.895e14, 80, 3.35e12, 4.5e11),
        "H200": _gpu(9.895e14, 141, 4.8e12, 4.5e11),
        "B200": _gpu(2.25e15, 180, 8e12, 9e11),
    }
)
"""SXM boards, A100 with 80 GB: rates without sparsity, memory and NVLink of https://www.nvidia.com/en-us/data-center/a100, h100, h200 and
dgx-b200; network of 400 Gb/s for each GPU."""
CPU_DEVICE = Device(flops=1e11, hbm_bytes=1024 * GIB, hbm_rate=1e10, ici_rate=1e10, dimensions=1, dcn_rate=1e9, host_rate=1e10)
"""Stands for any CPU device: only the order of meshes depends on it."""


@dataclass(frozen=True)
class Devices:
    """An accelerator, its gang and the figures of one of its devices."""

    accelerator: Accelerator
    gang: Gang
    device: Device
    usable_bytes: int
    """Memory of a device that a program may use."""
    words: str
    """What it is, for a comment."""
    chips: int
    """TPU chips, GPUs or CPU devices."""


def parse_accelerator(text: str) -> Devices:
    """Raises FileError for a text of another form, and for devices that there are not."""
    if match := re.fullmatch(r"cpu(?:-([1-9]\d?))?", text, re.IGNORECASE):
        return _cpu(text, int(match[1] or 1))
    if match := re.fullmatch(r"([1-9]\d{0,4})x([A-Za-z]\w*)", text):
        return _gpus(text, int(match[1]), match[2].upper())
    if (match := re.fullmatch(r"(v\d\w?)(?:-([1-9]\d{0,5})|:([1-9x\d]+))", text)) and match[1] in GKE_TPU_FAMILIES:
        return _tpu(text, GKE_TPU_FAMILIES[match[1]], match[2], match[3])
    raise FileError(f"--accelerator {text}: {FORMS}; TPU families are {', '.join(GKE_TPU_FAMILIES)}")


def _cpu(text: str, devices: int) -> Devices:
    if devices > 64:
        raise FileError(f"--accelerator {text}: a host has at most 64 CPU devices: use a smaller number")
    accelerator = Accelerator(type="cpu", cpu=Cpu(hosts=1, devices_per_host=devices))
    return Devices(
        accelerator,
        gang_of(accelerator),
        CPU_DEVICE,
        CPU_DEVICE.hbm_bytes,
        f"{devices} CPU device{'s' * (devices > 1)} of one host",
        devices,
    )


def _gpus(text: str, count: int, name: str) -> Devices:
    if name not in GPUS:
        raise FileError(f"--accelerator {text}: the memory of {name} is not known here: use one of {', '.join(GPUS)} that has no more")
    if count > HOST_GPUS and count % HOST_GPUS:
        raise FileError(f"--accelerator {text}: hosts have {HOST_GPUS} GPUs: use up to {HOST_GPUS}, or a multiple of it")
    hosts, per_host = max(1, count // HOST_GPUS), min(count, HOST_GPUS)
    accelerator = Accelerator(type="gpu", gpu=Gpu(hosts=hosts, per_host=per_host))
    device = GPUS[name]
    return Devices(
        accelerator,
        gang_of(accelerator),
        device,
        int(device.hbm_bytes * 0.95),
        f"{hosts} host{'s' * (hosts > 1)} of {per_host} {name}",
        count,
    )


def _tpu(text: str, family: GkeTpuFamily, size: str | None, topology: str | None) -> Devices:
    if topology is None:
        if family.name == "v7x":
            raise FileError(f"--accelerator {text}: name the topology of v7x, such as v7x:4x4x4: {family.topology_rule}")
        chips, rest = divmod(int(size or 0), CORES_COUNTED.get(family.name, 1))
        offered = [each for each in family.topologies.values() if each.chips == chips]
        if rest or not offered:
            counts = sorted({each.chips * CORES_COUNTED.get(family.name, 1) for each in family.topologies.values()})
            near = sorted(counts, key=lambda count: abs(count - int(size or 0)))[:3]
            raise FileError(
                f"--accelerator {text}: there is no such slice: use {', '.join(f'{family.name}-{each}' for each in sorted(near))}"
            )
        topology = min(offered, key=lambda each: max(each.axes)).name
    elif topology not in family.topologies:
        raise FileError(f"--accelerator {text}: {family.name} has no topology {topology}: {family.topology_rule}")
    accelerator = Accelerator(type="tpu", tpu=Tpu(family=family.name, topology=topology))
    chips = family.topologies[topology].chips
    counted = " (its name counts TensorCores, two in a chip)" if size is not None and family.name in CORES_COUNTED else ""
    return Devices(accelerator, gang_of(accelerator), family.chip.device, family.chip.usable_hbm_bytes, f"{chips} chips{counted}", chips)
