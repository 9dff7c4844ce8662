"""API paths of the kinds that the operator reads and writes."""

from lwm_operator.api import names

_COLLECTIONS = {
    names.KIND: (f"/apis/{names.API_VERSION}", names.PLURAL),
    "Job": ("/apis/batch/v1", "jobs"),
    "Pod": ("/api/v1", "pods"),
    "Service": ("/api/v1", "services"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "Event": ("/apis/events.k8s.io/v1", "events"),
}

ALL_TRAININGS = f"/apis/{names.API_VERSION}/{names.PLURAL}"


def collection(kind: str, namespace: str) -> str:
    prefix, plural = _COLLECTIONS[kind]
    return f"{prefix}/namespaces/{namespace}/{plural}"


def item(kind: str, namespace: str, name: str) -> str:
    return f"{collection(kind, namespace)}/{name}"


def node(name: str) -> str:
    return f"/api/v1/nodes/{name}"
