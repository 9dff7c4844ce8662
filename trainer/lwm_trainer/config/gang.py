"""The processes of an attempt, and their hang detection."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_trainer.config.contract import Contract
from lwm_trainer.config.names import slice_name


class Hang(Contract):
    """Hang detection. The deadline of a step is the larger of `minSeconds` and `stepFactor` times the duration of recent steps."""

    min_seconds: Annotated[int, Field(ge=10, le=86400)] = 300
    """Lower bound of the deadline in seconds. For the first steps of an attempt the bound is at least 30 minutes."""
    step_factor: Annotated[float, Field(ge=2, le=1000)] = 10.0
    """Factor of the deadline over the 95th percentile of the last 64 step durations."""


class Gang(Contract):
    """The processes of an attempt: one per host, numbered slice by slice. Host names follow from the other fields."""

    job: str
    """Name of the attempt's Job. With several slices, the Jobs have the suffix `-x<slice>`."""
    service: str
    slices: Annotated[int, Field(ge=1)] = 1
    """Number of TPU slices. Each has hosts / slices hosts and its own fast network."""
    hosts: Annotated[int, Field(ge=1)]
    """Number of hosts over all slices."""
    devices_per_host: Annotated[int, Field(ge=1)]
    platform: Literal["cpu", "gpu", "tpu"]
    coordinator: str
    """Address `host:port` of process 0."""

    @property
    def hosts_per_slice(self) -> int:
        return self.hosts // self.slices

    def address(self, host: int) -> str:
        """DNS name of a host (0-based, over all slices) in the training's headless Service."""
        index, inside = divmod(host, self.hosts_per_slice)
        return f"{slice_name(self.job, index, self.slices)}-{inside}.{self.service}"


class Lease(Contract):
    """The Lease that process 0 renews. It is the only object that the pods may patch."""

    namespace: str
    name: str
