"""The few things of a training's pods that a user may set."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_operator.api.resource import ClaimName, Quantity, Resource
from lwm_operator.api.rules import list_map


class Toleration(Resource):
    """As in a pod."""

    key: Annotated[str, Field(max_length=317)] | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: Annotated[str, Field(max_length=63)] | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Field(ge=0, le=31_536_000)] | None = None


class Variable(Resource):
    """A variable of the trainer's environment. The operator's own variables win."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    value: Annotated[str, Field(max_length=4096)] = ""


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
    service_account_name: ClaimName | None = Field(
        default=None, description="An existing account for the pods, e.g. one with rights on a bucket. Default: one made for each attempt."
    )
