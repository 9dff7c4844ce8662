"""The progress Lease of an attempt or a preparation, and the right of its pods: to patch that one Lease and nothing else."""

from lwm_operator.manifests.common import Child, Manifest, metadata


def lease(child: Child) -> Manifest:
    """Without a holder: process or worker 0 fills it in."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata(child.training, child.name, child.labels),
        "spec": {},
    }


def service_account(child: Child) -> Manifest | None:
    """None when the user names an account of their own."""
    if child.training.spec.pod_template.service_account_name is not None:
        return None
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(child.training, child.name, child.labels),
        "automountServiceAccountToken": False,
    }


def account_name(child: Child) -> str:
    return child.training.spec.pod_template.service_account_name or child.name


def role(child: Child) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata(child.training, child.name, child.labels),
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [child.name], "verbs": ["patch"]}],
    }


def role_binding(child: Child) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata(child.training, child.name, child.labels),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": child.name},
        "subjects": [{"kind": "ServiceAccount", "name": account_name(child), "namespace": child.training.metadata.namespace}],
    }
