"""The gang of an accelerator: its slices, hosts and devices."""

from dataclasses import dataclass
from typing import Literal

from lwm_operator.api.accelerator import Accelerator
from lwm_operator.platforms import tpu
from lwm_operator.platforms.error import PlatformError


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """`slices` groups of `hosts_per_slice` pods, with `devices_per_host` JAX devices per pod."""

    platform: Literal["cpu", "gpu", "tpu"]
    hosts_per_slice: int
    devices_per_host: int
    slices: int = 1

    @property
    def hosts(self) -> int:
        return self.slices * self.hosts_per_slice

    @property
    def devices(self) -> int:
        return self.hosts * self.devices_per_host


def gang_of(accelerator: Accelerator) -> Gang:
    """The gang of the accelerator. Raises PlatformError, whose message begins with the field below `accelerator` and ends with the fix."""
    match accelerator.type:
        case "cpu" if (cpu := accelerator.cpu) is not None:
            return Gang(platform="cpu", hosts_per_slice=cpu.hosts, devices_per_host=cpu.devices_per_host)
        case "gpu" if (gpu := accelerator.gpu) is not None:
            return Gang(platform="gpu", hosts_per_slice=gpu.hosts, devices_per_host=gpu.per_host)
        case "tpu" if (spec := accelerator.tpu) is not None:
            try:
                shape = tpu.slice_shape(spec.family, spec.topology, spec.chips_per_host)
            except PlatformError as error:
                raise PlatformError(f"tpu: {error}") from error
            return Gang(platform="tpu", hosts_per_slice=shape.hosts, devices_per_host=shape.devices_per_host, slices=spec.slices)
        case accelerator_type:
            raise PlatformError(f"{accelerator_type}: missing, but type is {accelerator_type}: give {_REQUIRED_FIELDS[accelerator_type]}")


_REQUIRED_FIELDS = {"cpu": "cpu.hosts and cpu.devicesPerHost", "gpu": "gpu.hosts and gpu.perHost", "tpu": "tpu.family and tpu.topology"}
