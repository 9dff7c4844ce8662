"""The few things of a training's pods that a user may set."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from lwm_operator.api.resource import ClaimName, Quantity, Resource
from lwm_operator.api.rules import guarded, list_map, rule


class Toleration(Resource):
    """As in a pod."""

    key: Annotated[str, Field(max_length=317)] | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: Annotated[str, Field(max_length=63)] | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Field(ge=0, le=31_536_000)] | None = None


class KeyRef(Resource):
    """One key of a Secret or ConfigMap of the training's namespace."""

    name: ClaimName
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._A-Za-z0-9]+$")]
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
    value: Annotated[str, Field(max_length=4096)] | None = None
    value_from: Source | None = None


class PullSecret(Resource):
    """A Secret of type kubernetes.io/dockerconfigjson in the training's namespace."""

    name: ClaimName


class Resources(Resource):
    """As in a container. A CPU limit throttles the heartbeat of the gang: leave it out unless you must."""

    requests: Annotated[dict[str, Quantity], Field(max_length=16)] | None = None
    limits: Annotated[dict[str, Quantity], Field(max_length=16)] | None = None


class PodTemplate(Resource):
    """The few things of a pod that a user may set."""

    resources: Resources | None = None
    node_selector: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)] | None = None
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    env: Annotated[tuple[Variable, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    service_account_name: ClaimName | None = Field(
        default=None, description="An existing account for the pods, e.g. one with rights on a bucket. Default: one made for each attempt."
    )
