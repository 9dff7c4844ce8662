"""What a GPU provider asks of a pod, as data: something else merges it into the pod."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class HostPath:
    """A volume from the node."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume of the profile in a container."""

    name: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """A native sidecar: an init container with `restartPolicy: Always`, which ends with the trainer. Its image runs as root."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Toleration:
    key: str
    operator: str = "Exists"
    effect: str = "NoSchedule"


RESOURCE = "nvidia.com/gpu"
TOLERATION = Toleration(key=RESOURCE)
"""Tolerates the taint that GKE and NVIDIA's GPU operator put on GPU nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`capabilities`, `mounts`, `environment` and `resources` (limits, which are the requests, too) are the trainer container's.

    `resources` holds what comes beside the GPUs. `pod_security` is the Pod Security level that the namespace must allow, `reason` why.
    """

    name: str
    summary: str
    pod_security: Literal["restricted", "privileged"]
    reason: str
    sources: tuple[str, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    host_network: bool = False
    dns_policy: Literal["ClusterFirst", "ClusterFirstWithHostNet"] = "ClusterFirst"
    volumes: tuple[HostPath, ...] = ()
    mounts: tuple[Mount, ...] = ()
    resources: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    sidecars: tuple[Sidecar, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = (TOLERATION,)
    node_selectors: Mapping[str, str] = field(default_factory=dict)


NO_PROFILE = Profile(name="", summary="", pod_security="restricted", reason="", sources=(), tolerations=())
"""Additions of a host without a profile: none."""
