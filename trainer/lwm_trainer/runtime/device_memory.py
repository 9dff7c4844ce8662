"""How much memory of this host's devices is in use, as their runtime counts it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Device(Protocol):
    """What is asked of a jax.Device."""

    def memory_stats(self) -> Mapping[str, int] | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMemory:
    """Bytes, each of the local device that has most of it in use."""

    in_use: int
    peak: int
    """The most that was in use at any time since the process began."""
    limit: int
    """What the runtime may use in all."""


def device_memory(devices: Sequence[Device]) -> DeviceMemory | None:
    """The memory of the fullest of `devices`; None for devices that do not count it, such as CPUs.

    The keys are those of XLA's allocators: https://docs.jax.dev/en/latest/_autosummary/jax.Device.html.
    """
    counts = [device.memory_stats() for device in devices]
    fullest = max((each for each in counts if each), key=lambda each: each["peak_bytes_in_use"], default=None)
    if fullest is None:
        return None
    return DeviceMemory(in_use=fullest["bytes_in_use"], peak=fullest["peak_bytes_in_use"], limit=fullest.get("bytes_limit", 0))
