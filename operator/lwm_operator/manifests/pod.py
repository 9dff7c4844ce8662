"""The pod of one host: restricted, its own token for the Lease, the user's few settings first and ours last."""

from collections.abc import Iterable, Mapping
from typing import Any

from lwm_operator.api import names
from lwm_operator.api.pod_template import Resources
from lwm_operator.api.spec import Spec
from lwm_operator.manifests.accelerator_requirements import AcceleratorRequirements
from lwm_operator.manifests.common import Child, Manifest, Run
from lwm_operator.manifests.rbac import account_name
from lwm_operator.manifests.storage import mounts
from lwm_trainer.config import CONFIG_PATH, HIDDEN_VARIABLES, METRICS_PORT, SLICE_VARIABLE, TERMINATION_PATH

USER = 65532
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - the standard place of a pod's token
TOKEN_SECONDS = 3600
LOST_NODE_SECONDS = 30
"""How long a pod stays bound to a node that is not ready: the default of 300 s leaves the gang waiting."""

REQUESTS = {"cpu": "250m", "memory": "1Gi"}

POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
"""The level `restricted` of Pod Security, and a root file system that nobody writes."""


def pod_spec(run: Run, needs: AcceleratorRequirements, index: int) -> Manifest:
    """Of slice `index` (0-based), whose accelerator `needs` what it needs."""
    spec = run.training.spec
    volumes, paths = mounts(spec)
    found = restricted(
        run,
        command=["python", "-m", "lwm_trainer"],
        environment=environment(spec, {SLICE_VARIABLE: str(index), **needs.environment}, needs.defaults),
        resources=resources(spec.pod_template.resources, needs),
        volumes=[*volumes, *needs.volumes],
        paths=[*paths, *needs.mounts],
        tolerations=needs.tolerations,
        node_selector=needs.node_selector,
    )
    found["subdomain"] = run.training.metadata.name
    found["containers"][0]["ports"] = [{"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}]
    affinity = dict(needs.affinity)
    if run.avoided_nodes:
        affinity["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": _away_from(run.avoided_nodes)}
    if affinity:
        found["affinity"] = affinity
    return found


def restricted(
    child: Child,
    *,
    command: list[str],
    environment: list[Manifest],
    resources: Manifest,
    volumes: list[Manifest],
    paths: list[Manifest],
    tolerations: Iterable[Manifest] = (),
    node_selector: Mapping[str, str] | None = None,
) -> Manifest:
    """The pod of an attempt or a preparation, whose ConfigMap has the child's name; `node_selector` wins over the user's."""
    spec = child.training.spec
    template = spec.pod_template
    found: Manifest = {
        "restartPolicy": "Never",
        "serviceAccountName": account_name(child),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.execution.termination_grace_period_seconds,
        "securityContext": POD_SECURITY,
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
                "labelSelector": {"matchLabels": child.labels},
            }
        ],
        "containers": [
            {
                "name": names.CONTAINER,
                "image": child.image,
                "imagePullPolicy": "IfNotPresent",
                "command": command,
                "env": environment,
                "resources": resources,
                "securityContext": CONTAINER_SECURITY,
                "terminationMessagePath": TERMINATION_PATH,
                "terminationMessagePolicy": "File",
                "volumeMounts": [
                    {"name": "config", "mountPath": CONFIG_PATH.rsplit("/", 1)[0], "readOnly": True},
                    {"name": "token", "mountPath": TOKEN_PATH, "readOnly": True},
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod's own
                    *paths,
                ],
            }
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": child.name}},
            _token(),
            {"name": "tmp", "emptyDir": {}},
            *volumes,
        ],
    }
    if selector := {**(template.node_selector or {}), **(node_selector or {})}:
        found["nodeSelector"] = selector
    if spec.execution.priority_class_name is not None:
        found["priorityClassName"] = spec.execution.priority_class_name
    if spec.execution.scheduler_name is not None:
        found["schedulerName"] = spec.execution.scheduler_name
    if template.image_pull_secrets:
        found["imagePullSecrets"] = [{"name": secret.name} for secret in template.image_pull_secrets]
    return found


def _away_from(nodes: tuple[str, ...]) -> Manifest:
    """By the node's name: its hostname label may be another. A field takes one value only, so each node is a requirement of its own."""
    return {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in nodes]}]}


def environment(spec: Spec, own: Mapping[str, str], defaults: Mapping[str, str]) -> list[Manifest]:
    """Of two variables with one name the later stays: the platform's defaults, the user's, ours (`own` are the child's)."""
    # USER, because the uid has no entry in /etc/passwd, where libraries look it up.
    ours = {"HOME": "/tmp", "USER": "lwm", "PYTHONUNBUFFERED": "1", **own}  # noqa: S108
    if endpoint := spec.checkpoint.endpoint:
        ours |= {"STORAGE_EMULATOR_HOST": endpoint, "TENSORSTORE_GCS_HTTP_URL": endpoint, "GOOGLE_CLOUD_PROJECT": "lwm"}
    sources = {variable.name: variable.value_from for variable in spec.pod_template.env if variable.name not in ours}
    if secret := [name for name, source in sources.items() if source is not None and source.secret_key_ref is not None]:
        ours[HIDDEN_VARIABLES] = ",".join(secret)
    theirs = {variable.name: variable.model_dump(by_alias=True, exclude_none=True) for variable in spec.pod_template.env}
    return list((_named(defaults) | theirs | _named(ours)).values())


def _named(variables: Mapping[str, str]) -> dict[str, Manifest]:
    return {name: {"name": name, "value": value} for name, value in variables.items()}


def resources(wanted: Resources | None, needs: AcceleratorRequirements) -> Manifest:
    """Without a CPU limit: throttling stalls the heartbeats of the gang. Memory is limited by default, unless the user asks for more."""
    asked, bounded = (wanted.requests or {}, wanted.limits or {}) if wanted is not None else ({}, {})
    limits: dict[str, Any] = {**({} if "memory" in asked else needs.limits), **bounded, **needs.devices}
    requests: dict[str, Any] = {**{name: value for name, value in REQUESTS.items() if name not in bounded}, **asked, **needs.devices}
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
