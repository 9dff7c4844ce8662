"""The progress Lease of an attempt or a preparation, and the only right of its pods: to patch that Lease."""

from lwm_operator.manifests.common import Manifest, PodOwner, metadata


def lease(owner: PodOwner) -> Manifest:
    """The Lease without a holder. Process 0 or worker 0 becomes the holder."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata(owner.training, owner.name, owner.labels),
        "spec": {},
    }


def service_account(owner: PodOwner) -> Manifest | None:
    """The account of the pods; None if the user names one."""
    if owner.training.spec.pod_template.service_account_name is not None:
        return None
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(owner.training, owner.name, owner.labels),
        "automountServiceAccountToken": False,
    }


def account_name(owner: PodOwner) -> str:
    return owner.training.spec.pod_template.service_account_name or owner.name


def role(owner: PodOwner) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata(owner.training, owner.name, owner.labels),
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [owner.name], "verbs": ["patch"]}],
    }


def role_binding(owner: PodOwner) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata(owner.training, owner.name, owner.labels),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": owner.name},
        "subjects": [{"kind": "ServiceAccount", "name": account_name(owner), "namespace": owner.training.metadata.namespace}],
    }
