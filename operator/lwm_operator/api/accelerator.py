"""What a training runs on."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from lwm_operator.api.resource import Resource
from lwm_operator.api.rules import guarded, rule


class Cpu(Resource):
    """Hosts (pods) of CPU devices: for trying things out and for tests."""

    hosts: Annotated[int, Field(ge=1, le=64)]
    """Pods of a gang."""
    devices_per_host: Annotated[int, Field(ge=1, le=64)] = 1
    """Virtual CPU devices of a pod; hosts x devicesPerHost is the product of every mesh."""
    threads: Annotated[int, Field(ge=1, le=256)] = Field(
        default=2,
        description="XLA's threads in a pod: part of what makes a run repeat bit for bit, so it does not follow the node's cores.",
    )


class Accelerator(Resource):
    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule("self.type != 'cpu' || has(self.cpu)", "cpu is missing: type cpu needs cpu.hosts and cpu.devicesPerHost")
        )
    )

    type: Literal["cpu"] = "cpu"
    cpu: Cpu | None = None
