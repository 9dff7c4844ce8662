"""From the words of scheduler, kubelet, API server and Events to one of our reasons, and to a sentence that stays the same."""

import re

from lwm_operator.plan.observed import Waiting
from lwm_operator.plan.reasons import Held

RAW = {
    "InvalidImageName": Held.INVALID_IMAGE,
    "ErrImagePull": Held.IMAGE_PULL,
    "ImagePullBackOff": Held.IMAGE_PULL,
    "ErrImageNeverPull": Held.IMAGE_PULL,
    "ImageInspectError": Held.IMAGE_PULL,
    "RegistryUnavailable": Held.IMAGE_PULL,
    "SignatureValidationFailed": Held.IMAGE_PULL,
    "CreateContainerConfigError": Held.CONFIG_ERROR,
    "NodeNotReady": Held.NODE_NOT_READY,
    "FailedMount": Held.MOUNT,
    "FailedAttachVolume": Held.MOUNT,
    "FailedMapVolume": Held.MOUNT,
    "FailedCreatePodSandBox": Held.SANDBOX,
    "NetworkNotReady": Held.SANDBOX,
    "Unschedulable": Held.UNSCHEDULABLE,
    "SchedulerError": Held.UNSCHEDULABLE,
    "SchedulingGated": Held.SCHEDULING_GATED,
    "Pulling": Held.PULLING,
    "PodInitializing": Held.CONTAINER_CREATING,
    "ContainerCreating": Held.CONTAINER_CREATING,
}
"""From the words of kubelet, scheduler and Events. Whatever else a kubelet says is a ContainerError."""

NARROWER = {
    Held.IMAGE_PULL: ((r"couldn't parse image name|invalid reference format", Held.INVALID_IMAGE),),
    Held.CONFIG_ERROR: (
        (r"\bsecrets? \"[^\"]+\" not found|couldn't find key .* in Secret", Held.MISSING_SECRET),
        (r"\bconfigmaps? \"[^\"]+\" not found|couldn't find key .* in ConfigMap", Held.MISSING_CONFIG_MAP),
    ),
    Held.MOUNT: (
        (r"\bsecrets? \"[^\"]+\" not found|references non-existent secret key", Held.MISSING_SECRET),
        (r"\bconfigmaps? \"[^\"]+\" not found|references non-existent config key", Held.MISSING_CONFIG_MAP),
    ),
    Held.UNSCHEDULABLE: (
        (r"persistentvolumeclaim \"[^\"]+\" not found", Held.MISSING_CLAIM),
        (r"unbound immediate PersistentVolumeClaims|bound to non-existent persistentvolume|persistentvolumeclaim ", Held.CLAIM_UNBOUND),
    ),
    Held.PODS_REFUSED: (
        (r"exceeded quota|failed quota", Held.QUOTA_EXCEEDED),
        (r"violates PodSecurity", Held.POD_SECURITY),
        (r"error looking up service account", Held.MISSING_ACCOUNT),
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


def judge(waiting: Waiting | None, *, bound: bool) -> tuple[Held, str]:
    """The reason why a pod does not run, and the words that go with it. `bound`: it has a node."""
    if waiting is None:
        return (Held.CONTAINER_CREATING, SETS_UP) if bound else (Held.SCHEDULING, "no scheduler has looked at them yet")
    said = cleaned(waiting.message)
    if waiting.reason not in RAW:
        return Held.CONTAINER_ERROR, f"{waiting.reason}: {said}"
    return _narrowed(RAW[waiting.reason], said), said or SETS_UP


def refusal(said: str) -> tuple[Held, str]:
    """The reason why a Job's pods are not made, from its controller's words; empty when it has said nothing."""
    said = cleaned(said)
    return _narrowed(Held.PODS_REFUSED, said) if said else Held.PODS_MISSING, said


def cleaned(said: str) -> str:
    for pattern, instead in NOISE:
        said = re.sub(pattern, instead, said)
    return " ".join(said.split())


def _narrowed(reason: Held, said: str) -> Held:
    return next((narrower for pattern, narrower in NARROWER.get(reason, ()) if re.search(pattern, said)), reason)
