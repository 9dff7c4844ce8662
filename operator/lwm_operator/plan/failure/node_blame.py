"""Which root causes may be the fault of a node, so that later attempts avoid one that fails repeatedly."""

from lwm_operator.api.attempt_status import RootCause
from lwm_operator.plan.reasons import KubernetesReason, LifecycleReason, PendingReason, TrainerReason

NODE_REASONS = frozenset[str](
    {
        TrainerReason.DEVICE_FAULT,
        TrainerReason.DEVICES_MISSING,
        TrainerReason.HANG,
        TrainerReason.HOST_LOST,
        KubernetesReason.KILLED,
        KubernetesReason.SEGMENTATION_FAULT,
        KubernetesReason.NODE_LOST,
        KubernetesReason.NODE_REBOOTED,
        KubernetesReason.START_ERROR,
        KubernetesReason.CONTAINER_STATUS_UNKNOWN,
        KubernetesReason.UNEXPECTED_ADMISSION,
        KubernetesReason.POD_FAILED,
        PendingReason.NODE_NOT_READY,
        LifecycleReason.STARTUP_TIMEOUT,
    }
)
"""Storage and network are not the node's, nor is a race for its room (OutOfcpu), nor that its provider took it back."""


def blames_node(cause: RootCause) -> bool:
    """Whether the cause counts against its node. Where several hosts are alike suspect, the cause names no node."""
    return cause.node is not None and cause.reason in NODE_REASONS
