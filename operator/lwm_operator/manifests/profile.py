"""A provider's profile merged into the pod: what its fast network needs beyond resources."""

from collections.abc import Iterable
from typing import Any

from lwm_operator.manifests.common import Manifest
from lwm_operator.platforms.profile import Mount, Profile, Sidecar


def with_profile(template: Manifest, profile: Profile) -> Manifest:
    """The pod template with all that the profile asks for. Environment, resources, selectors and tolerations are in it already: `needs`."""
    spec: dict[str, Any] = {**template["spec"]}
    trainer: dict[str, Any] = {**spec["containers"][0]}
    trainer["volumeMounts"] = [*trainer["volumeMounts"], *_mounts(profile.mounts)]
    if profile.privileged:
        trainer["securityContext"] = {"privileged": True, **ROOT}
    elif profile.capabilities:
        # Kubernetes gives capabilities to root only: another user's are not ambient.
        kept = {**trainer["securityContext"], "capabilities": {"drop": ["ALL"], "add": list(profile.capabilities)}}
        trainer["securityContext"] = {**kept, **ROOT}
    spec["containers"] = [trainer]
    if profile.sidecars:
        spec["initContainers"] = [_sidecar(each) for each in profile.sidecars]
    spec["volumes"] = [*spec["volumes"], *({"name": each.name, "hostPath": {"path": each.path}} for each in profile.volumes)]
    if profile.host_network:
        spec |= {"hostNetwork": True, "dnsPolicy": profile.dns_policy}
    metadata = {**template["metadata"], "annotations": {**template["metadata"]["annotations"], **profile.annotations}}
    return {**template, "metadata": metadata, "spec": spec}


ROOT = {"runAsNonRoot": False, "runAsUser": 0}


def _sidecar(sidecar: Sidecar) -> Manifest:
    """Of the native kind: it starts before the trainer and ends after it."""
    return {
        "name": sidecar.name,
        "image": sidecar.image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "command": list(sidecar.command),
        "args": list(sidecar.args),
        "env": [{"name": name, "value": value} for name, value in sidecar.environment.items()],
        "volumeMounts": _mounts(sidecar.mounts),
        "securityContext": {"capabilities": {"add": list(sidecar.capabilities)}, **ROOT},
    }


def _mounts(mounts: Iterable[Mount]) -> list[Manifest]:
    return [{"name": each.name, "mountPath": each.path, "readOnly": each.read_only} for each in mounts]
