"""Sentences as real components write them (Kubernetes 1.37), each to its reason and the words that stay."""

import pytest

from lwm_operator.plan.observed import Waiting
from lwm_operator.plan.pending.kubelet_reasons import classify_refusal, classify_waiting

PULL = (
    'failed to pull and unpack image "registry.invalid/lwm-trainer:none": failed to resolve image: failed to do request: Head '
    '"https://registry.invalid/v2/lwm-trainer/manifests/none": dial tcp: lookup registry.invalid: no route to host'
)
NAME = 'couldn\'t parse image name "registry.example/Trainer": invalid reference format: repository name (Trainer) must be lowercase'


@pytest.mark.parametrize(
    ("raw", "message", "reason"),
    [
        ("InvalidImageName", f'Failed to apply default image tag "registry.example/Trainer": {NAME}', "InvalidImage"),
        ("ErrImagePull", PULL, "ImagePull"),
        ("ErrImageNeverPull", 'Container image "lwm-trainer:v9" is not present with pull policy of Never', "ImagePull"),
        ("ImageInspectError", f"Failed to inspect image: {NAME}", "InvalidImage"),
        ("CreateContainerConfigError", 'secret "hf-token" not found', "MissingSecret"),
        ("CreateContainerConfigError", "couldn't find key token in Secret default/hf-token", "MissingSecret"),
        ("CreateContainerConfigError", 'configmap "settings" not found', "MissingConfigMap"),
        ("CreateContainerConfigError", "couldn't find key token in ConfigMap default/settings", "MissingConfigMap"),
        ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root", "ConfigError"),
        ("FailedMount", 'MountVolume.SetUp failed for volume "config" : configmap "bible-s1-a1" not found', "MissingConfigMap"),
        ("FailedMount", 'MountVolume.SetUp failed for volume "keys" : secret "keys" not found', "MissingSecret"),
        ("FailedMount", 'MountVolume.SetUp failed for volume "v" : hostPath type check failed: /shelf is not a directory', "FailedMount"),
        ("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) p', "FailedMount"),
        ("FailedCreatePodSandBox", "Failed to create pod sandbox: no free address", "FailedCreatePodSandBox"),
        ("Unschedulable", '0/2 nodes are available: persistentvolumeclaim "shelf" not found. not found', "MissingClaim"),
        ("Unschedulable", "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. (claims: shelf)", "ClaimUnbound"),
        ("Unschedulable", '0/2 nodes are available: persistentvolumeclaim "shelf" is being deleted.', "ClaimUnbound"),
        ("Unschedulable", "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.", "Unschedulable"),
        ("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates", "SchedulingGated"),
        ("NodeNotReady", "node node2 is not ready: Kubelet stopped posting node status.", "NodeNotReady"),
        ("Pulling", 'Pulling image "lwm-trainer:v9"', "Pulling"),
    ],
)
def test_each_message_is_shown_whole_under_its_reason(raw: str, message: str, reason: str) -> None:
    assert classify_waiting(Waiting(reason=raw, message=message, since=""), bound=True) == (reason, message)


def test_an_unknown_reason_of_a_kubelet_is_shown_with_its_name() -> None:
    waiting = Waiting(reason="CreateContainerError", message="name is reserved", since="")
    assert classify_waiting(waiting, bound=True) == ("ContainerError", "CreateContainerError: name is reserved")


def test_a_back_off_shows_the_error_that_it_backs_off_from() -> None:
    backing_off = Waiting(reason="ImagePullBackOff", message=f'Back-off pulling image "x:y": ErrImagePull: {PULL}', since="")
    assert classify_waiting(backing_off, bound=True) == classify_waiting(Waiting(reason="ErrImagePull", message=PULL, since=""), bound=True)
    bare = Waiting(reason="ImagePullBackOff", message='Back-off pulling image "x:y"', since="")
    assert classify_waiting(bare, bound=True) == ("ImagePull", 'Back-off pulling image "x:y"')


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("exceeded quota: team, requested: pods=1, used: pods=0, limited: pods=0", "QuotaExceeded"),
        ("failed quota: team: must specify limits.cpu for: trainer", "ResourcesMissing"),
        ("failed quota: team: must specify requests.cpu for: istio-proxy; requests.memory for: istio-proxy", "ResourcesMissing"),
        ("maximum memory usage per Container is 16Gi, but limit is 64Gi", "LimitRangeViolated"),
        ("minimum cpu usage per Pod is 2, but request is 100m", "LimitRangeViolated"),
        ('violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)', "PodSecurity"),
        ('error looking up service account default/ghost: serviceaccount "ghost" not found', "MissingAccount"),
        ("ValidatingAdmissionPolicy 'costs' with binding 'costs' denied request: label team is missing", "PodsRejected"),
    ],
)
def test_a_refusal_is_shown_without_the_name_of_a_pod_that_never_existed(words: str, reason: str) -> None:
    assert classify_refusal(f'Error creating: pods "bible-s1-a1-0-j77vs" is forbidden: {words}') == (reason, words)
    assert classify_refusal(f'Error creating: pods "bible-s1-a1-0-zzzzz" is forbidden: {words}') == (reason, words)


def test_without_a_message_of_the_controller_pods_are_missing() -> None:
    assert classify_refusal("") == ("PodsMissing", "")


def test_ids_that_change_with_every_retry_are_removed() -> None:
    tries = [
        Waiting(reason="FailedCreatePodSandBox", message=f'failed to setup network for sandbox "{digit * 64}": no address', since="")
        for digit in "ab"
    ]
    assert {classify_waiting(each, bound=True)[1] for each in tries} == {'failed to setup network for sandbox "…": no address'}
