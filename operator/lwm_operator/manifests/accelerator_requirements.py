"""All that an accelerator requires of a pod, beyond what every pod of a training has. `pod.py` merges it in one place."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

from lwm_operator.api import names
from lwm_operator.api.accelerator import Accelerator, Cpu, Gpu, Tpu
from lwm_operator.api.names import LABEL_SLICE
from lwm_operator.manifests.common import AttemptSpec, Manifest
from lwm_operator.platforms import gpu as gpus
from lwm_operator.platforms import tpu as tpus
from lwm_operator.platforms.devices import device_resources
from lwm_operator.platforms.overrides import CPU_THREADS_VARIABLE, overriding_node_labels
from lwm_operator.platforms.profile import Mount, Profile, Sidecar
from lwm_trainer.config import slice_name

SHARED_MEMORY_PATH = "/dev/shm"  # noqa: S108 - where NCCL looks for it
JOB_LABEL = "batch.kubernetes.io/job-name"
"""The Job controller sets this label on every pod."""

CPU_LIMITS = {"memory": "2Gi"}
"""CPU hosts share their node with other pods. A TPU or GPU host belongs to one pod, so nobody needs protection from it."""

ROOT = {"runAsNonRoot": False, "runAsUser": 0}


@dataclass(frozen=True, kw_only=True)
class AcceleratorRequirements:
    """Additions to the pod template of one slice. `environment` to `mounts` and `security_context` belong to the trainer container."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that override the user's."""
    default_environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the user's override."""
    devices: Mapping[str, int | str] = field(default_factory=dict)
    """Resources with equal requests and limits."""
    default_limits: Mapping[str, str] = field(default_factory=dict)
    """Limits of resources for which the user gives none."""
    mounts: tuple[Manifest, ...] = ()
    security_context: Mapping[str, object] = field(default_factory=dict)
    """Fields that replace those of the restricted security context."""
    sidecars: tuple[Manifest, ...] = ()
    volumes: tuple[Manifest, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Labels that override the user's."""
    tolerations: tuple[Manifest, ...] = ()
    affinity: Mapping[str, Manifest] = field(default_factory=dict)
    network: Mapping[str, object] = field(default_factory=dict)
    """Fields of the pod's spec for the host network."""
    annotations: Mapping[str, str] = field(default_factory=dict)


def accelerator_requirements(attempt: AttemptSpec, slice_index: int) -> AcceleratorRequirements:
    """Requirements of the pods of slice `slice_index` (0-based)."""
    accelerator = attempt.accelerator
    match accelerator.type:
        case "tpu" if (tpu := accelerator.tpu) is not None:
            return _tpu(attempt, tpu, slice_index)
        case "gpu" if (gpu := accelerator.gpu) is not None:
            return _gpu(accelerator, gpu)
        case _:
            return _cpu(accelerator.cpu)


def worker_requirements(accelerator: Accelerator | None) -> AcceleratorRequirements:
    """Requirements of a preparation's worker, which is one host by itself; None: CPUs as they are."""
    if accelerator is None:
        return AcceleratorRequirements(default_limits=CPU_LIMITS)
    if accelerator.tpu is not None:
        return _tpu_host(accelerator, accelerator.tpu)
    return _gpu(accelerator, accelerator.gpu) if accelerator.gpu is not None else _cpu(accelerator.cpu)


def _cpu(cpu: Cpu | None) -> AcceleratorRequirements:
    # XLA takes its thread count from the node's cores, and the order of sums with it. A fixed count keeps the parameters equal on any node.
    environment = {CPU_THREADS_VARIABLE: str(cpu.threads)} if cpu is not None else {}
    return AcceleratorRequirements(environment=environment, default_limits=CPU_LIMITS)


def _tpu(attempt: AttemptSpec, tpu: Tpu, slice_index: int) -> AcceleratorRequirements:
    """One pod per host with all its chips. All pods of a slice run in one node pool, because on GKE each slice is a node pool."""
    shape = tpus.slice_shape(tpu.family, tpu.topology, tpu.chips_per_host)
    job = slice_name(attempt.name, slice_index, tpu.slices)
    return replace(
        _tpu_host(attempt.accelerator, tpu),
        environment=tpus.environment(slices=tpu.slices, slice_index=slice_index, coordinator=attempt.first_host),
        affinity={} if shape.single_host else _one_node_pool(job),
    )


def _tpu_host(accelerator: Accelerator, tpu: Tpu) -> AcceleratorRequirements:
    """What each host of a slice requires."""
    return AcceleratorRequirements(
        devices=device_resources(accelerator),
        node_selector=overriding_node_labels(accelerator),
        tolerations=tuple(tpus.tolerations(spot=tpu.spot)),
    )


def _one_node_pool(job: str) -> dict[str, Manifest]:
    """Affinity to the node pool of the Job's other pods, and anti-affinity to node pools with pods of another slice."""
    topology = {"topologyKey": tpus.NODE_POOL_LABEL}
    same_job = {"labelSelector": {"matchLabels": {JOB_LABEL: job}}, **topology}
    other_slices = [{"key": LABEL_SLICE, "operator": "Exists"}, {"key": JOB_LABEL, "operator": "NotIn", "values": [job]}]
    other_jobs = {"labelSelector": {"matchExpressions": other_slices}, "namespaceSelector": {}, **topology}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    return {"podAffinity": {required: [same_job]}, "podAntiAffinity": {required: [other_jobs]}}


def _gpu(accelerator: Accelerator, gpu: Gpu) -> AcceleratorRequirements:
    profile = gpus.profile(gpu.profile)
    gpu_taint = {"key": gpu.resource, "operator": "Exists", "effect": "NoSchedule"}
    host_paths = ({"name": volume.name, "hostPath": {"path": volume.path}} for volume in profile.volumes)
    return AcceleratorRequirements(
        environment=gpu.nccl or {},
        default_environment=profile.environment,
        devices=device_resources(accelerator),
        mounts=({"name": names.SHARED_MEMORY, "mountPath": SHARED_MEMORY_PATH}, *_mounts(profile.mounts)),
        security_context=_security_context(profile),
        sidecars=tuple(_sidecar(sidecar, gpu.sidecar_image or sidecar.image) for sidecar in profile.sidecars),
        volumes=({"name": names.SHARED_MEMORY, "emptyDir": {"medium": "Memory", "sizeLimit": gpu.shared_memory}}, *host_paths),
        node_selector=overriding_node_labels(accelerator),
        tolerations=(gpu_taint, *(asdict(toleration) for toleration in profile.tolerations if toleration.key != gpu.resource)),
        network={"hostNetwork": True, "dnsPolicy": profile.dns_policy} if profile.host_network else {},
        annotations=profile.annotations,
    )


def _security_context(profile: Profile) -> Mapping[str, object]:
    """Root, where the profile needs capabilities: the container runtime gives them to root only, because another user's are not ambient."""
    return {"capabilities": {"drop": ["ALL"], "add": list(profile.capabilities)}, **ROOT} if profile.capabilities else {}


def _sidecar(sidecar: Sidecar, image: str) -> Manifest:
    """A native sidecar: an init container that starts before the trainer and ends after it."""
    return {
        "name": sidecar.name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "command": list(sidecar.command),
        "args": list(sidecar.args),
        "env": [{"name": name, "value": value} for name, value in sidecar.environment.items()],
        "resources": {"requests": dict(sidecar.requests), "limits": dict(sidecar.limits)},
        "volumeMounts": _mounts(sidecar.mounts),
        "securityContext": {"capabilities": {"add": list(sidecar.capabilities)}, **ROOT},
    }


def _mounts(mounts: Iterable[Mount]) -> list[Manifest]:
    return [{"name": mount.name, "mountPath": mount.path, "readOnly": mount.read_only} for mount in mounts]
