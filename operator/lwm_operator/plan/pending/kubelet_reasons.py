"""From the words of scheduler, kubelet, API server and Events to one of our reasons, and to a sentence that stays the same."""

import re

from lwm_operator.plan.observed import Waiting
from lwm_operator.plan.reasons import PendingReason

BY_REASON = {
    "InvalidImageName": PendingReason.INVALID_IMAGE,
    "ErrImagePull": PendingReason.IMAGE_PULL,
    "ImagePullBackOff": PendingReason.IMAGE_PULL,
    "ErrImageNeverPull": PendingReason.IMAGE_PULL,
    "ImageInspectError": PendingReason.IMAGE_PULL,
    "RegistryUnavailable": PendingReason.IMAGE_PULL,
    "SignatureValidationFailed": PendingReason.IMAGE_PULL,
    "CreateContainerConfigError": PendingReason.CONFIG_ERROR,
    "NodeNotReady": PendingReason.NODE_NOT_READY,
    "FailedMount": PendingReason.MOUNT,
    "FailedAttachVolume": PendingReason.MOUNT,
    "FailedMapVolume": PendingReason.MOUNT,
    "FailedCreatePodSandBox": PendingReason.SANDBOX,
    "NetworkNotReady": PendingReason.SANDBOX,
    "Unschedulable": PendingReason.UNSCHEDULABLE,
    "SchedulerError": PendingReason.UNSCHEDULABLE,
    "SchedulingGated": PendingReason.SCHEDULING_GATED,
    "Pulling": PendingReason.PULLING,
    "PodInitializing": PendingReason.CONTAINER_CREATING,
    "ContainerCreating": PendingReason.CONTAINER_CREATING,
}
"""From the words of kubelet, scheduler and Events. Whatever else a kubelet says is a ContainerError."""

BY_MESSAGE = {
    PendingReason.IMAGE_PULL: ((r"couldn't parse image name|invalid reference format", PendingReason.INVALID_IMAGE),),
    PendingReason.CONFIG_ERROR: (
        (r"\bsecrets? \"[^\"]+\" not found|couldn't find key .* in Secret", PendingReason.MISSING_SECRET),
        (r"\bconfigmaps? \"[^\"]+\" not found|couldn't find key .* in ConfigMap", PendingReason.MISSING_CONFIG_MAP),
    ),
    PendingReason.MOUNT: (
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
    PendingReason.PODS_REFUSED: (
        (r"exceeded quota|failed quota", PendingReason.QUOTA_EXCEEDED),
        (r"violates PodSecurity", PendingReason.POD_SECURITY),
        (r"error looking up service account", PendingReason.MISSING_ACCOUNT),
    ),
}
"""What the sentence tells beyond the reason; the first pattern that is found counts."""

NOISE = (
    (r'^Back-off pulling image "[^"]*": (?:\w+: )?', ""),
    (r'^Error creating: (?:pods "[^"]*" is forbidden: )?', ""),
    (r"\b[0-9a-f]{24,}\b", "…"),
)
"""Parts that differ from look to look, or say the reason once more."""

SETS_UP = "the node sets them up"


def classify_waiting(waiting: Waiting | None, *, bound: bool) -> tuple[PendingReason, str]:
    """The reason why a pod does not run, and the words that go with it. `bound`: it has a node."""
    if waiting is None:
        return (PendingReason.CONTAINER_CREATING, SETS_UP) if bound else (PendingReason.SCHEDULING, "no scheduler has looked at them yet")
    said = normalize(waiting.message)
    if waiting.reason not in BY_REASON:
        return PendingReason.CONTAINER_ERROR, f"{waiting.reason}: {said}"
    return _narrow(BY_REASON[waiting.reason], said), said or SETS_UP


def classify_refusal(said: str) -> tuple[PendingReason, str]:
    """The reason why a Job's pods are not made, from its controller's words; empty when it has said nothing."""
    said = normalize(said)
    return _narrow(PendingReason.PODS_REFUSED, said) if said else PendingReason.PODS_MISSING, said


def normalize(said: str) -> str:
    for pattern, instead in NOISE:
        said = re.sub(pattern, instead, said)
    return " ".join(said.split())


def _narrow(reason: PendingReason, said: str) -> PendingReason:
    return next((narrower for pattern, narrower in BY_MESSAGE.get(reason, ()) if re.search(pattern, said)), reason)
