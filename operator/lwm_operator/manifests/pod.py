"""The pod of one host: the restricted security level, a token for its Lease, the user's settings first and the operator's last."""

from collections.abc import Iterable, Mapping
from typing import Any

from lwm_operator.api import names
from lwm_operator.api.pod_template import Resources
from lwm_operator.api.spec import Spec
from lwm_operator.api.variables import operator_variables
from lwm_operator.manifests.accelerator_requirements import AcceleratorRequirements, accelerator_requirements
from lwm_operator.manifests.common import AttemptSpec, Manifest, PodOwner
from lwm_operator.manifests.ports import attempt_ports, uses_host_network
from lwm_operator.manifests.rbac import account_name
from lwm_operator.manifests.storage import mounts
from lwm_operator.platforms.tpu import NODE_POOL_LABEL
from lwm_trainer.config import CONFIG_PATH, HIDDEN_VARIABLES, SLICE_VARIABLE, TERMINATION_PATH

USER = 65532
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - the standard place of a pod's token
TOKEN_SECONDS = 3600
LOST_NODE_SECONDS = 30
"""How long a pod stays bound to a node that is not ready. With the default of 300 s the gang would wait that long."""

REQUESTS = {"cpu": "250m", "memory": "1Gi"}

ASSIGNED_USER_SECURITY = {
    "runAsNonRoot": True,
    # Without it, the kubelet changes the owner of every file of a claim at each start.
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
POD_SECURITY = {**ASSIGNED_USER_SECURITY, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER}
CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
"""The level `restricted` of Pod Security, with a read-only root file system."""


def pod_template(attempt: AttemptSpec, slice_index: int, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Manifest:
    """The pod template of slice `slice_index` (0-based), with all that its accelerator requires."""
    spec, requirements = attempt.training.spec, accelerator_requirements(attempt, slice_index)
    volumes, volume_mounts = mounts(spec)
    pod = accelerated_pod(
        attempt,
        requirements,
        command=["python", "-m", "lwm_trainer"],
        own_environment={SLICE_VARIABLE: str(slice_index)},
        users_resources=spec.pod_template.resources,
        volumes=volumes,
        volume_mounts=volume_mounts,
    )
    pod["subdomain"] = attempt.training.metadata.name
    ports = attempt_ports(attempt)
    if uses_host_network(attempt):
        # A declared port would be a host port that the scheduler must find free, although training goes on without metrics.
        annotations = {**annotations, names.ANNOTATION_METRICS_PORT: str(ports.metrics)}
    else:
        pod["containers"][0]["ports"] = [{"name": "metrics", "containerPort": ports.metrics, "protocol": "TCP"}]
    affinity = dict(requirements.affinity)
    if attempt.avoided_nodes or attempt.avoided_node_pools:
        not_there = _not_on(attempt.avoided_nodes, attempt.avoided_node_pools)
        affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": not_there}
    if affinity:
        pod["affinity"] = affinity
    metadata = pod_metadata(spec, labels, {**annotations, **requirements.annotations})
    return {"metadata": metadata, "spec": pod}


def accelerated_pod(
    owner: PodOwner,
    requirements: AcceleratorRequirements,
    *,
    command: list[str],
    own_environment: Mapping[str, str],
    users_resources: Resources | None,
    volumes: list[Manifest],
    volume_mounts: list[Manifest],
) -> Manifest:
    """The pod's spec of an attempt or a preparation with all that its accelerator requires, but for affinity and annotations."""
    own = {**own_environment, **requirements.environment}
    pod = restricted_pod(
        owner,
        command=command,
        environment=environment(owner.training.spec, own, requirements.default_environment),
        resources=resources(users_resources, requirements),
        volumes=[*volumes, *requirements.volumes],
        volume_mounts=[*volume_mounts, *requirements.mounts],
        security_context=requirements.security_context,
        tolerations=requirements.tolerations,
        node_selector=requirements.node_selector,
    )
    if requirements.sidecars:
        pod["initContainers"] = list(requirements.sidecars)
    return {**pod, **requirements.network}


def pod_metadata(spec: Spec, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Manifest:
    """Labels and annotations of a pod: the user's, and the operator's over them."""
    template = spec.pod_template
    merged = {"labels": {**(template.labels or {}), **labels}, "annotations": {**(template.annotations or {}), **annotations}}
    return {field: values for field, values in merged.items() if values}


def restricted_pod(
    owner: PodOwner,
    *,
    command: list[str],
    environment: list[Manifest],
    resources: Manifest,
    volumes: list[Manifest],
    volume_mounts: list[Manifest],
    security_context: Mapping[str, object] | None = None,
    tolerations: Iterable[Manifest] = (),
    node_selector: Mapping[str, str] | None = None,
) -> Manifest:
    """The pod's spec of an attempt or a preparation. Its ConfigMap has the owner's name.

    `security_context` replaces fields of the restricted one, `node_selector` overrides the user's.
    """
    spec = owner.training.spec
    template = spec.pod_template
    pod: Manifest = {
        "restartPolicy": "Never",
        "serviceAccountName": account_name(owner),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.execution.termination_grace_period_seconds,
        "securityContext": POD_SECURITY if owner.fixed_user else ASSIGNED_USER_SECURITY,
        "tolerations": [
            *(toleration.model_dump(by_alias=True, exclude_none=True) for toleration in template.tolerations),
            *tolerations,
            *(
                {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": LOST_NODE_SECONDS}
                for state in ("not-ready", "unreachable")
            ),
        ],
        # A preference: were it required, one lost node of two would leave the training unschedulable for ever.
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": owner.labels},
            }
        ],
        "containers": [
            {
                "name": names.CONTAINER,
                "image": owner.image,
                "imagePullPolicy": "IfNotPresent",
                "command": command,
                "env": environment,
                "resources": resources,
                "securityContext": {**CONTAINER_SECURITY, **(security_context or {})},
                "terminationMessagePath": TERMINATION_PATH,
                "terminationMessagePolicy": "File",
                "volumeMounts": [
                    {"name": "config", "mountPath": CONFIG_PATH.rsplit("/", 1)[0], "readOnly": True},
                    {"name": "token", "mountPath": TOKEN_PATH, "readOnly": True},
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod's own
                    *volume_mounts,
                ],
            }
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": owner.name}},
            _token(),
            {"name": "tmp", "emptyDir": {}},
            *volumes,
        ],
    }
    if selector := {**(template.node_selector or {}), **(node_selector or {})}:
        pod["nodeSelector"] = selector
    if template.runtime_class_name is not None:
        pod["runtimeClassName"] = template.runtime_class_name
    if spec.execution.priority_class_name is not None:
        pod["priorityClassName"] = spec.execution.priority_class_name
    if spec.execution.scheduler_name is not None:
        pod["schedulerName"] = spec.execution.scheduler_name
    if template.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret.name} for secret in template.image_pull_secrets]
    return pod


def _not_on(nodes: tuple[str, ...], node_pools: tuple[str, ...]) -> Manifest:
    """A node selector that excludes nodes by name, as the hostname label may differ, and GKE's node pools by their label.

    `matchFields` takes one value per requirement.
    """
    term: Manifest = {}
    if nodes:
        term["matchFields"] = [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in nodes]
    if node_pools:
        term["matchExpressions"] = [{"key": NODE_POOL_LABEL, "operator": "NotIn", "values": list(node_pools)}]
    return {"nodeSelectorTerms": [term]}


def environment(spec: Spec, own: Mapping[str, str], defaults: Mapping[str, str]) -> list[Manifest]:
    """The container's variables. Later ones override earlier ones of the same name: the platform's `defaults`, the user's, the operator's.

    `own` are the operator's variables for this kind of pod.
    """
    operators = {**operator_variables(spec), **own}
    sources = {variable.name: variable.value_from for variable in spec.pod_template.env if variable.name not in operators}
    if secret := [name for name, source in sources.items() if source is not None and source.secret_key_ref is not None]:
        operators[HIDDEN_VARIABLES] = ",".join(secret)
    users = {variable.name: variable.model_dump(by_alias=True, exclude_none=True) for variable in spec.pod_template.env}
    return list((_named(defaults) | users | _named(operators)).values())


def _named(variables: Mapping[str, str]) -> dict[str, Manifest]:
    return {name: {"name": name, "value": value} for name, value in variables.items()}


def resources(users: Resources | None, requirements: AcceleratorRequirements) -> Manifest:
    """Requests and limits of the trainer container: the user's, or the defaults, with the accelerator's devices.

    CPU has no default limit, because throttling delays the gang's heartbeats. Memory has one on CPU hosts, unless the user requests memory.
    """
    user_requests, user_limits = (users.requests or {}, users.limits or {}) if users is not None else ({}, {})
    default_limits = {} if "memory" in user_requests else requirements.default_limits
    default_requests = {name: value for name, value in REQUESTS.items() if name not in user_limits}
    limits: dict[str, Any] = {**default_limits, **user_limits, **requirements.devices}
    requests: dict[str, Any] = {**default_requests, **user_requests, **requirements.devices}
    return {"requests": requests, "limits": limits}


def _token() -> Manifest:
    return {
        "name": "token",
        "projected": {
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
            ]
        },
    }
