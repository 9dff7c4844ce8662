"""Profiles of GPU providers by name."""

from collections.abc import Mapping
from types import MappingProxyType

from lwm_operator.platforms.error import PlatformError
from lwm_operator.platforms.gke_gpu_profiles import A3_HIGH, A3_MEGA, A3_ULTRA
from lwm_operator.platforms.profile import NO_PROFILE, RESOURCE, TOLERATION, Profile

__all__ = ["PROFILES", "RESOURCE", "TOLERATION", "profile"]

EFA_GUIDE = "https://docs.aws.amazon.com/eks/latest/userguide/node-efa.html"
EFA_PLUGIN = "https://docs.aws.amazon.com/eks/latest/userguide/device-management-efa.html"
EFA_REASON = "the device plugin gives adapters and huge pages to containers without capabilities"
POD_SECURITY = "https://kubernetes.io/docs/concepts/security/pod-security-standards/"

AWS_EFA = Profile(
    name="aws-efa",
    summary="one Elastic Fabric Adapter per pod, for machines with one network card",
    pod_security="restricted",
    reason=EFA_REASON,
    sources=(EFA_GUIDE, EFA_PLUGIN),
    resources={"vpc.amazonaws.com/efa": "1", "hugepages-2Mi": "5120Mi"},
    environment={"FI_PROVIDER": "efa"},
)

AWS_EFA_P5 = Profile(
    name="aws-efa-p5",
    summary="p5.48xlarge: eight H100, 32 Elastic Fabric Adapters",
    pod_security="restricted",
    reason=EFA_REASON,
    sources=(EFA_GUIDE, EFA_PLUGIN),
    resources={"vpc.amazonaws.com/efa": "32", "hugepages-2Mi": "5120Mi"},
    environment={"FI_PROVIDER": "efa"},
)

RDMA_SHARED_DEVICE = Profile(
    name="rdma-shared-device",
    summary="InfiniBand or RoCE cards that pods share, by NVIDIA's k8s-rdma-shared-dev-plugin under its default resource name",
    pod_security="privileged",
    reason="IPC_LOCK: RDMA pins memory beyond the usual limit",
    sources=("Mellanox/k8s-rdma-shared-dev-plugin@410b0f3 example/test-hca-pod.yaml", POD_SECURITY),
    resources={"rdma/hca_shared_devices_a": "1"},
    capabilities=("IPC_LOCK",),
)

HOST_NETWORK = Profile(
    name="host-network",
    summary="the node's own network: NCCL over all of its cards, without the pod network in between",
    pod_security="privileged",
    reason="hostNetwork",
    sources=("AI-Hypercomputer/xpk@367c838 src/xpk/commands/workload.py", POD_SECURITY),
    host_network=True,
    dns_policy="ClusterFirstWithHostNet",
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for profile in (A3_HIGH, A3_MEGA, A3_ULTRA, AWS_EFA, AWS_EFA_P5, RDMA_SHARED_DEVICE, HOST_NETWORK)}
)


def profile(name: str | None) -> Profile:
    """The profile with this name; NO_PROFILE for None. Raises PlatformError with the names that exist."""
    if name is None:
        return NO_PROFILE
    if name not in PROFILES:
        raise PlatformError(f"unknown GPU profile {name}: use one of {', '.join(PROFILES)}")
    return PROFILES[name]
