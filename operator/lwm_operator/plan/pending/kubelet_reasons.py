"""Maps what scheduler, kubelet, API server and Events report to one of our reasons and to a message that does not change by itself."""

import re

from lwm_operator.plan.observed import Waiting
from lwm_operator.plan.reasons import KubernetesReason, PendingReason

BY_REASON: dict[str, PendingReason] = {
    "InvalidImageName": PendingReason.INVALID_IMAGE,
    "ErrImagePull": PendingReason.IMAGE_PULL,
    "ImagePullBackOff": PendingReason.IMAGE_PULL,
    "ErrImageNeverPull": PendingReason.IMAGE_PULL,
    "ImageInspectError": PendingReason.IMAGE_PULL,
    "RegistryUnavailable": PendingReason.IMAGE_PULL,
    "SignatureValidationFailed": PendingReason.IMAGE_PULL,
    "CreateContainerConfigError": PendingReason.CONFIG_ERROR,
    "NodeNotReady": PendingReason.NODE_NOT_READY,
    KubernetesReason.NODE_GONE: PendingReason.NODE_NOT_READY,
    KubernetesReason.NODE_RECLAIMED: PendingReason.NODE_NOT_READY,
    "FailedMount": PendingReason.FAILED_MOUNT,
    "FailedAttachVolume": PendingReason.FAILED_MOUNT,
    "FailedMapVolume": PendingReason.FAILED_MOUNT,
    "FailedCreatePodSandBox": PendingReason.FAILED_POD_SANDBOX,
    "NetworkNotReady": PendingReason.FAILED_POD_SANDBOX,
    "Unschedulable": PendingReason.UNSCHEDULABLE,
    "SchedulerError": PendingReason.UNSCHEDULABLE,
    "SchedulingGated": PendingReason.SCHEDULING_GATED,
    "Pulling": PendingReason.PULLING,
    "PodInitializing": PendingReason.CONTAINER_CREATING,
    "ContainerCreating": PendingReason.CONTAINER_CREATING,
}
"""Our reason for each reason of kubelet, scheduler and Events. Any other reason of a kubelet is a ContainerError."""

BY_MESSAGE = {
    PendingReason.IMAGE_PULL: ((r"couldn't parse image name|invalid reference format", PendingReason.INVALID_IMAGE),),
    PendingReason.CONFIG_ERROR: (
        (r"\bsecrets? \"[^\"]+\" not found|couldn't find key .* in Secret", PendingReason.MISSING_SECRET),
        (r"\bconfigmaps? \"[^\"]+\" not found|couldn't find key .* in ConfigMap", PendingReason.MISSING_CONFIG_MAP),
    ),
    PendingReason.FAILED_MOUNT: (
        (r"\bsecrets? \"[^\"]+\" not found|references non-existent secret key", PendingReason.MISSING_SECRET),
        (r"\bconfigmaps? \"[^\"]+\" not found|references non-existent config key", PendingReason.MISSING_CONFIG_MAP),
    ),
    PendingReason.UNSCHEDULABLE: (
        (r"persistentvolumeclaim \"[^\"]+\" not found", PendingReason.MISSING_CLAIM),
        (
            r"unbound immediate PersistentVolumeClaims|bound to non-existent persistentvolume|persistentvolumeclaim ",
            PendingReason.CLAIM_UNBOUND,
        ),
    ),
    PendingReason.PODS_REJECTED: (
        (r"failed quota: .*must specify", PendingReason.RESOURCES_MISSING),
        (r"exceeded quota|failed quota", PendingReason.QUOTA_EXCEEDED),
        (r"\b(?:minimum|maximum) \S+ usage per|limit to request ratio per", PendingReason.LIMIT_RANGE),
        (r"violates PodSecurity", PendingReason.POD_SECURITY),
        (r"error looking up service account", PendingReason.MISSING_ACCOUNT),
    ),
}
"""A narrower reason, by the first pattern that the message matches."""

NOISE = (
    (r'^Back-off pulling image "[^"]*": (?:\w+: )?', ""),
    (r'^Error creating: (?:pods "[^"]*" is forbidden: )?', ""),
    (r"\b[0-9a-f]{24,}\b", "…"),
)
"""Parts of a message that change from one reconcile to the next, or repeat the reason."""

SETTING_UP = "the node sets them up"


def classify_waiting(waiting: Waiting | None, *, bound: bool) -> tuple[PendingReason, str]:
    """Reason and message for a pod that does not run. `bound`: the pod has a node."""
    if waiting is None:
        return (
            (PendingReason.CONTAINER_CREATING, SETTING_UP) if bound else (PendingReason.SCHEDULING, "no scheduler has looked at them yet")
        )
    message = normalize(waiting.message)
    if waiting.reason not in BY_REASON:
        return PendingReason.CONTAINER_ERROR, f"{waiting.reason}: {message}"
    return _narrow(BY_REASON[waiting.reason], message), message or SETTING_UP


def classify_refusal(message: str) -> tuple[PendingReason, str]:
    """Reason and message for pods that do not exist, from the message of the Job controller, which may be empty."""
    message = normalize(message)
    return _narrow(PendingReason.PODS_REJECTED, message) if message else PendingReason.PODS_MISSING, message


def normalize(message: str) -> str:
    """The message without noise and extra white space."""
    for pattern, replacement in NOISE:
        message = re.sub(pattern, replacement, message)
    return " ".join(message.split())


def _narrow(reason: PendingReason, message: str) -> PendingReason:
    return next((narrower for pattern, narrower in BY_MESSAGE.get(reason, ()) if re.search(pattern, message)), reason)
