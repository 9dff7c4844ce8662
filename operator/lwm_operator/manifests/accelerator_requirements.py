"""What an accelerator asks of a pod, beyond what every pod of a training has."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from lwm_operator.api.accelerator import Cpu, Gpu, Tpu
from lwm_operator.api.names import LABEL_SLICE
from lwm_operator.manifests.common import Manifest, Run
from lwm_operator.platforms import gpu as gpus
from lwm_operator.platforms import tpu as tpus
from lwm_operator.platforms.profile import PLAIN, Profile
from lwm_trainer.config import slice_name

SHARED_MEMORY_PATH = "/dev/shm"  # noqa: S108 - where NCCL looks for it
JOB_LABEL = "batch.kubernetes.io/job-name"
"""The Job's controller puts it on every pod."""

CPU_LIMITS = {"memory": "2Gi"}
"""A host of TPUs or GPUs is the pod's alone: there is nobody to protect from it."""


@dataclass(frozen=True, kw_only=True)
class AcceleratorRequirements:
    environment: Mapping[str, str] = field(default_factory=dict)
    """It wins over the user's."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Environment over which the user's wins."""
    devices: Mapping[str, int | str] = field(default_factory=dict)
    """Resources that are requested and limited alike."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """Where the user gives none."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Manifest, ...] = ()
    affinity: Mapping[str, Manifest] = field(default_factory=dict)
    volumes: tuple[Manifest, ...] = ()
    mounts: tuple[Manifest, ...] = ()
    profile: Profile = PLAIN


def needs_of(run: Run, index: int) -> AcceleratorRequirements:
    """Of the pods of slice `index` (0-based)."""
    accelerator = run.accelerator
    match accelerator.type:
        case "tpu" if (tpu := accelerator.tpu) is not None:
            return _tpu(run, tpu, index)
        case "gpu" if (gpu := accelerator.gpu) is not None:
            return _gpu(gpu)
        case _:
            return _cpu(accelerator.cpu)


def _cpu(cpu: Cpu | None) -> AcceleratorRequirements:
    # Without it a node with another core count changes the parameters.
    return AcceleratorRequirements(environment={"PJRT_NPROC": str(cpu.threads)} if cpu is not None else {}, limits=CPU_LIMITS)


def _tpu(run: Run, tpu: Tpu, index: int) -> AcceleratorRequirements:
    """A host of a slice is one pod with all its chips, and all pods of a slice lie in one node pool, which is what GKE makes of a slice."""
    shape = tpus.slice_shape(tpu.family, tpu.topology, tpu.chips_per_host)
    job = slice_name(run.name, index, tpu.slices)
    return AcceleratorRequirements(
        environment=tpus.environment(slices=tpu.slices, slice_index=index, coordinator=run.first_host),
        devices={tpus.RESOURCE: shape.chips_per_host},
        node_selector=tpus.selectors(
            tpu.family, tpu.topology, spot=tpu.spot, reservation=tpu.reservation, chips_per_host=tpu.chips_per_host
        ),
        tolerations=tuple(tpus.tolerations(spot=tpu.spot)),
        affinity={} if shape.single_host else _one_pool(job),
    )


def _one_pool(job: str) -> dict[str, Manifest]:
    """In the node pool of the Job's other pods, and in none with a pod of another slice."""
    place = {"topologyKey": tpus.NODE_POOL_LABEL}
    together = {"labelSelector": {"matchLabels": {JOB_LABEL: job}}, **place}
    others = [{"key": LABEL_SLICE, "operator": "Exists"}, {"key": JOB_LABEL, "operator": "NotIn", "values": [job]}]
    apart = {"labelSelector": {"matchExpressions": others}, "namespaceSelector": {}, **place}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    return {"podAffinity": {required: [together]}, "podAntiAffinity": {required: [apart]}}


def _gpu(gpu: Gpu) -> AcceleratorRequirements:
    profile = gpus.profile(gpu.profile) if gpu.profile is not None else PLAIN
    own = {"key": gpu.resource, "operator": "Exists", "effect": "NoSchedule"}
    return AcceleratorRequirements(
        environment=gpu.nccl or {},
        defaults=profile.environment,
        devices={gpu.resource: gpu.per_host, **profile.resources, **(gpu.rdma or {}), **(gpu.hugepages or {})},
        node_selector=profile.node_selectors,
        tolerations=(own, *(asdict(each) for each in profile.tolerations if each.key != gpu.resource)),
        volumes=({"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": gpu.shared_memory}},),
        mounts=({"name": "shared-memory", "mountPath": SHARED_MEMORY_PATH},),
        profile=profile,
    )
