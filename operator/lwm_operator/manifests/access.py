"""The progress Lease of an attempt, and the right of its pods: to patch that one Lease and nothing else."""

from lwm_operator.manifests.common import Manifest, Run, metadata


def lease(run: Run) -> Manifest:
    """Without a holder: process 0 fills it in."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata(run.training, run.name, run.labels),
        "spec": {},
    }


def service_account(run: Run) -> Manifest | None:
    """None when the user names an account of their own."""
    if run.training.spec.pod_template.service_account_name is not None:
        return None
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(run.training, run.name, run.labels),
        "automountServiceAccountToken": False,
    }


def account_name(run: Run) -> str:
    return run.training.spec.pod_template.service_account_name or run.name


def role(run: Run) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata(run.training, run.name, run.labels),
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [run.name], "verbs": ["patch"]}],
    }


def role_binding(run: Run) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata(run.training, run.name, run.labels),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": run.name},
        "subjects": [{"kind": "ServiceAccount", "name": account_name(run), "namespace": run.training.metadata.namespace}],
    }
