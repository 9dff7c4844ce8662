"""The accelerator of a training or a stage: CPU, TPU or GPU hosts."""

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
    """CPU hosts, for trials and tests."""

    hosts: Annotated[int, Field(ge=1, le=64)]
    """Number of hosts. Each host is a pod."""
    devices_per_host: Annotated[int, Field(ge=1, le=64)] = 1
    """Virtual CPU devices per host. The product of each mesh must be hosts x devicesPerHost."""
    threads: Annotated[int, Field(ge=1, le=256)] = Field(
        default=2,
        description="XLA threads per host. Bitwise reproducible runs need a fixed number, so it does not depend on the node's cores.",
    )


class Tpu(Resource):
    """TPU slices on GKE. Family and topology determine the hosts of a slice and the chips of a host."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule("!self.spot || !has(self.reservation)", "spot and reservation exclude each other: remove one of them")
        )
    )

    family: TpuFamilyName
    """TPU generation. It determines the available topologies: docs/platforms.md."""
    topology: Annotated[str, Field(min_length=3, max_length=11, pattern=r"^[1-9][0-9]{0,2}(x[1-9][0-9]{0,2}){1,2}$")]
    """Number of chips along each axis of a slice, such as 4x4x8 (v4, v5p, v7x) or 16x16 (v5e, v6e)."""
    slices: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of slices. They start together or not at all. mesh.dp must be a multiple of it, because the network between slices is slow."""
    chips_per_host: Annotated[int, Field(ge=1, le=8)] | None = Field(
        default=None,
        description="Chips per host, for topologies with two machine types, such as v6e 2x4 with 4 or 8 chips. Default: docs/platforms.md.",
    )
    spot: bool = False
    """True: use spot capacity, by GKE's node selector and toleration."""
    reservation: (
        Annotated[str, Field(min_length=1, max_length=160, pattern=r"^(projects/[a-z0-9-]+/reservations/)?[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
        | None
    ) = Field(
        default=None,
        description="Reservation to use: its name, or projects/PROJECT/reservations/NAME in another project. Default: none.",
    )


class Gpu(Resource):
    """GPU hosts."""

    hosts: Annotated[int, Field(ge=1, le=2048)]
    """Number of hosts. Each host is a pod."""
    per_host: Annotated[int, Field(ge=1, le=16)] = 8
    """GPUs per host. The product of each mesh must be hosts x perHost."""
    resource: ExtendedResource = "nvidia.com/gpu"
    """Resource name of the GPUs on the nodes."""
    shared_memory: Quantity = "16Gi"
    """Size of /dev/shm, which NCCL uses between the GPUs of a host. It counts as memory of the pod."""
    rdma: (
        Annotated[
            dict[str, Quantity],
            Field(
                max_length=8,
                json_schema_extra=guarded(
                    rule(
                        "self.all(name, name.contains('/'))",
                        "rdma: resource names need a domain: use a name such as rdma/hca",
                    )
                ),
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="RDMA devices per host by resource name, such as rdma/hca or vpc.amazonaws.com/efa.",
    )
    hugepages: (
        Annotated[
            dict[str, Quantity],
            Field(
                max_length=2,
                json_schema_extra=guarded(
                    rule(
                        "self.all(name, name in ['hugepages-2Mi', 'hugepages-1Gi'])",
                        "hugepages: the sizes are hugepages-2Mi and hugepages-1Gi: use one of them",
                    )
                ),
            ),
        ]
        | None
    ) = Field(default=None, description="Huge pages per host, such as hugepages-2Mi: 5Gi.")
    nccl: (
        Annotated[
            dict[str, Annotated[str, Field(max_length=512)]],
            Field(
                max_length=32,
                json_schema_extra=guarded(
                    rule(
                        "self.all(name, name.startsWith('NCCL_'))",
                        "nccl: names must begin with NCCL_: put other variables into podTemplate.env",
                    )
                ),
            ),
        ]
        | None
    ) = Field(default=None, description="NCCL variables, such as NCCL_IB_HCA. They override the profile's.")
    profile: Profile | None = Field(
        default=None,
        description="Provider profile for the fast network: docs/platforms.md. All profiles except aws-efa and aws-efa-p5 need a namespace"
        " that admits privileged pods. Default: none.",
    )
    sidecar_image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\s]+$")] | None = Field(
        default=None,
        description="Image of the profile's sidecar, such as a copy in your registry or the same image by digest (`...@sha256:...`). "
        "Default: the image by tag in docs/platforms.md.",
    )


class Accelerator(Resource):
    """The accelerator type and its settings, in the block with the name of the type."""

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
    """Accelerator type. The block with this name is required, and no other block may be given."""
    cpu: Cpu | None = None
    tpu: Tpu | None = None
    gpu: Gpu | None = None
