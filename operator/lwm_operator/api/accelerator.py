"""What a training or a stage runs on: CPU, TPU or GPU hosts."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from lwm_operator.api.resource import Quantity, Resource
from lwm_operator.api.rules import guarded, rule
from lwm_trainer.config.accelerator_families import TpuFamilyName

ExtendedResource = Annotated[
    str, Field(min_length=3, max_length=128, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9][-A-Za-z0-9_.]*$")
]
"""Such as `nvidia.com/gpu`."""

Profile = Literal["aws-efa", "aws-efa-p5", "gke-a3-high", "gke-a3-mega", "gke-a3-ultra", "host-network", "rdma-shared-device"]
"""Named in `lwm_operator.platforms.gpu`."""


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


class Tpu(Resource):
    """One or more TPU slices as GKE offers them; hosts and chips of a host follow from family and topology."""

    model_config = ConfigDict(
        json_schema_extra=guarded(rule("!self.spot || !has(self.reservation)", "spot and reservation exclude each other: give one of them"))
    )

    family: TpuFamilyName
    """Generation of the TPU; it fixes the chips of a host and the topologies on offer (docs/platforms.md)."""
    topology: Annotated[str, Field(min_length=3, max_length=11, pattern=r"^[1-9][0-9]{0,2}(x[1-9][0-9]{0,2}){1,2}$")]
    """Chips along each axis, such as 4x4x8 (v4, v5p, v7x) or 16x16 (v5e, v6e)."""
    slices: Annotated[int, Field(ge=1, le=64)] = 1
    """They come up together or not at all; mesh.dp is a multiple of their number, as the network between them is slow."""
    chips_per_host: Annotated[int, Field(ge=1, le=8)] | None = Field(
        default=None, description="Only where the topology exists on two kinds of machine, such as v6e 2x4 with 4 or 8 chips a host."
    )
    spot: bool = False
    """True: spot capacity, by GKE's selector and toleration."""
    reservation: (
        Annotated[str, Field(min_length=1, max_length=160, pattern=r"^(projects/[a-z0-9-]+/reservations/)?[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
        | None
    ) = Field(
        default=None,
        description="A reservation whose capacity is to be used: its name, or projects/PROJECT/reservations/NAME of another project.",
    )


class Gpu(Resource):
    """Hosts of GPUs."""

    hosts: Annotated[int, Field(ge=1, le=2048)]
    """Pods of a gang."""
    per_host: Annotated[int, Field(ge=1, le=16)] = 8
    """GPUs of a pod; hosts x perHost is the product of every mesh."""
    resource: ExtendedResource = "nvidia.com/gpu"
    """The name under which the nodes offer their GPUs."""
    shared_memory: Quantity = "16Gi"
    """Size of /dev/shm, which NCCL uses between the GPUs of a host; it counts as memory of the pod."""
    rdma: (
        Annotated[
            dict[str, Quantity],
            Field(
                max_length=8,
                json_schema_extra=guarded(
                    rule(
                        "self.all(name, name.contains('/'))",
                        "rdma: a resource's name has a domain, such as rdma/hca or vpc.amazonaws.com/efa",
                    )
                ),
            ),
        ]
        | None
    ) = Field(default=None, description="Network devices of a pod by resource name, such as rdma/hca or vpc.amazonaws.com/efa.")
    hugepages: (
        Annotated[
            dict[str, Quantity],
            Field(
                max_length=2,
                json_schema_extra=guarded(
                    rule(
                        "self.all(name, name in ['hugepages-2Mi', 'hugepages-1Gi'])",
                        "hugepages: the sizes are hugepages-2Mi and hugepages-1Gi",
                    )
                ),
            ),
        ]
        | None
    ) = Field(default=None, description="Huge pages of a pod, such as hugepages-2Mi: 5Gi.")
    nccl: (
        Annotated[
            dict[str, Annotated[str, Field(max_length=512)]],
            Field(
                max_length=32,
                json_schema_extra=guarded(
                    rule(
                        "self.all(name, name.startsWith('NCCL_'))",
                        "nccl: its names begin with NCCL_; other variables go into podTemplate.env",
                    )
                ),
            ),
        ]
        | None
    ) = Field(default=None, description="NCCL's variables, such as NCCL_IB_HCA. They win over the profile's.")
    profile: Profile | None = Field(
        default=None,
        description="What a provider's fast network needs of a pod, by name: docs/platforms.md. All but aws-efa and aws-efa-p5 need a"
        " namespace that admits privileged pods.",
    )


class Accelerator(Resource):
    """`type` and the one block of that name."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule("self.type != 'cpu' || has(self.cpu)", "cpu is missing: type cpu needs cpu.hosts and cpu.devicesPerHost"),
            rule("self.type != 'tpu' || has(self.tpu)", "tpu is missing: type tpu needs tpu.family and tpu.topology"),
            rule("self.type != 'gpu' || has(self.gpu)", "gpu is missing: type gpu needs gpu.hosts and gpu.perHost"),
            rule(
                "(has(self.cpu) ? 1 : 0) + (has(self.tpu) ? 1 : 0) + (has(self.gpu) ? 1 : 0) <= 1",
                "give only the block that goes with type: remove the others of cpu, tpu and gpu",
            ),
        )
    )

    type: Literal["cpu", "tpu", "gpu"] = "cpu"
    """Which of the three blocks counts; it must be there, and no other."""
    cpu: Cpu | None = None
    tpu: Tpu | None = None
    gpu: Gpu | None = None
