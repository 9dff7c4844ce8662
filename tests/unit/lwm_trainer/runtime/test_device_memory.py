"""Which device's memory is told."""

from lwm_trainer.runtime.device_memory import DeviceMemory, device_memory


class Device:
    def __init__(self, stats: dict[str, int] | None) -> None:
        self._stats = stats

    def memory_stats(self) -> dict[str, int] | None:
        return self._stats


def counts(in_use: int, peak: int) -> dict[str, int]:
    return {"bytes_in_use": in_use, "peak_bytes_in_use": peak, "bytes_limit": 100, "num_allocs": 3}


def test_the_fullest_device_is_told() -> None:
    devices = [Device(counts(7, 8)), Device(counts(5, 9)), Device(None)]
    assert device_memory(devices) == DeviceMemory(in_use=5, peak=9, limit=100)


def test_devices_that_do_not_count_have_none() -> None:
    assert device_memory([Device(None), Device({})]) is None
