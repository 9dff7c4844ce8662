"""What a GPU provider requires of a pod, as data. `lwm_operator.manifests.accelerator_requirements` turns it into manifests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class HostPath:
    """A hostPath volume."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Mount:
    """The mount of a profile's volume in a container."""

    name: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """A native sidecar: an init container with `restartPolicy: Always`, which ends after the trainer. It runs as root."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    capabilities: tuple[str, ...] = ()
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    """A quota or a LimitRange of the namespace may refuse a pod of which one container has no CPU request or no memory limit."""


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
    """Requirements of one provider's network.

    `capabilities`, `mounts`, `environment` and `resources` are those of the trainer container. `resources` are limits and requests in
    addition to the GPUs. `pod_security` is the Pod Security level that the namespace must allow, and `reason` says why.
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
"""The profile of hosts without a provider profile. It requires nothing."""
