"""The few things of a training's pods that a user may set."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from lwm_operator.api.resource import ClaimName, Quantity, Resource
from lwm_operator.api.rules import guarded, list_map, rule


class Toleration(Resource):
    """As in a pod."""

    key: Annotated[str, Field(max_length=317)] | None = None
    """The taint's key; absent, with operator Exists: every taint."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Exists: whatever the taint's value is; Equal: only `value`."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """The taint's value, with operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; absent: every one."""
    toleration_seconds: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    """With effect NoExecute: how long a pod stays on the node once it is tainted; absent: for ever, 0: it goes at once."""


class KeyRef(Resource):
    """One key of a Secret or ConfigMap of the training's namespace."""

    name: ClaimName
    """Of the Secret or ConfigMap."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._A-Za-z0-9]+$")]
    """Whose value the variable gets."""
    optional: bool | None = None
    """True: where it is missing the variable is not set; else the pods wait for it."""


class Source(Resource):
    """Where a variable's value is taken from when a pod starts."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule("has(self.secretKeyRef) != has(self.configMapKeyRef)", "give exactly one of secretKeyRef and configMapKeyRef (name, key)")
        )
    )

    secret_key_ref: KeyRef | None = None
    config_map_key_ref: KeyRef | None = None


class Variable(Resource):
    """A variable of the trainer's environment. The operator's own variables win."""

    model_config = ConfigDict(
        json_schema_extra=guarded(rule("has(self.value) != has(self.valueFrom)", "give exactly one of value and valueFrom"))
    )

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """On TPU hosts, those that GKE sets itself are refused."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """As it stands: `$(NAME)` refers to a variable named before it."""
    value_from: Source | None = None


class PullSecret(Resource):
    """A Secret of type kubernetes.io/dockerconfigjson in the training's namespace."""

    name: ClaimName
    """Of the Secret."""


class Resources(Resource):
    """As in a container. A CPU limit throttles the heartbeat of the gang: leave it out unless you must."""

    requests: Annotated[dict[str, Quantity], Field(max_length=16)] | None = None
    """What the scheduler sets aside for a pod. Default: 250m of cpu and 1Gi of memory; the accelerator's devices are added."""
    limits: Annotated[dict[str, Quantity], Field(max_length=16)] | None = None
    """What a pod may use at most; beyond its memory it is killed. Default, on CPU hosts that request no memory: 2Gi of memory."""


class PodTemplate(Resource):
    """The few things of a pod that a user may set."""

    resources: Resources | None = None
    node_selector: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)] | None = None
    """Labels that a node must have; on TPU hosts and with a GPU profile, the accelerator's own win."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    """Taints that the pods bear, beside the accelerator's own."""
    env: Annotated[tuple[Variable, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    """Variables of the trainer, told apart by name."""
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """For a registry that asks who pulls, told apart by name."""
    service_account_name: ClaimName | None = Field(
        default=None, description="An existing account for the pods, e.g. one with rights on a bucket. Default: one made for each attempt."
    )
