"""Settings of a training's pods."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from lwm_operator.api.names import RESERVED_POD_KEYS, RESERVED_POD_PREFIXES
from lwm_operator.api.resource import LABEL_KEY_PATTERN, ClaimName, LabelValue, Quantity, Resource
from lwm_operator.api.rules import guarded, list_map, rule
from lwm_trainer.config import SECRET_VARIABLES


class Toleration(Resource):
    """A toleration, as in a pod's spec."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule(
                "self.operator != 'Exists' || !has(self.value) || self.value == ''",
                "operator Exists matches every value: remove value, or use operator Equal",
            ),
            rule(
                "self.operator == 'Exists' || (has(self.key) && self.key != '')",
                "operator Equal needs a key: give key, or use operator Exists, which tolerates every taint without a key",
            ),
            rule(
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                "tolerationSeconds is for effect NoExecute only: use that effect or remove tolerationSeconds",
            ),
        )
    )

    key: Annotated[str, Field(max_length=317, json_schema_extra={"pattern": f"^$|{LABEL_KEY_PATTERN}"})] | None = None
    """Key of the taint. Absent with operator Exists: every taint."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Exists: matches every value of the taint. Equal: matches only `value`."""
    value: LabelValue | None = None
    """Value of the taint, for operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint. Absent: every effect."""
    toleration_seconds: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    """Seconds that a pod stays on the node after the taint is added, for effect NoExecute. Absent: forever. 0: evicted at once."""


class KeyRef(Resource):
    """A key of a Secret or ConfigMap in the training's namespace."""

    name: ClaimName
    """Name of the Secret or ConfigMap."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._A-Za-z0-9]+$")]
    """Key whose value the variable takes."""
    optional: bool | None = None
    """True: the variable stays unset if the key is missing. False or absent: the pods wait for the key."""


class Source(Resource):
    """Source of the variable's value, read when a pod starts."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule("has(self.secretKeyRef) != has(self.configMapKeyRef)", "give exactly one of secretKeyRef and configMapKeyRef (name, key)")
        )
    )

    secret_key_ref: KeyRef | None = None
    config_map_key_ref: KeyRef | None = None


class Variable(Resource):
    """An environment variable of the trainer. The operator's own variables take precedence, with a warning."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule("has(self.value) != has(self.valueFrom)", "give exactly one of value and valueFrom"),
            rule(
                f"!has(self.value) || !(self.name in {list(SECRET_VARIABLES)})",
                f"{', '.join(SECRET_VARIABLES)} are secrets, and everyone who can read the training could read a value: use"
                " valueFrom.secretKeyRef",
            ),
        )
    )

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Name of the variable. On TPU hosts, the variables that GKE sets are refused."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """Value of the variable. `$(NAME)` refers to a variable earlier in the list."""
    value_from: Source | None = None


class PullSecret(Resource):
    """A Secret of type kubernetes.io/dockerconfigjson in the training's namespace."""

    name: ClaimName
    """Name of the Secret."""


class Resources(Resource):
    """Resources of the container. Avoid a CPU limit, because throttling delays the gang's heartbeats."""

    requests: Annotated[dict[str, Quantity], Field(max_length=16)] | None = None
    """Resource requests. Default: 250m CPU and 1Gi memory. The accelerator's devices are added."""
    limits: Annotated[dict[str, Quantity], Field(max_length=16)] | None = None
    """Resource limits. Default: 2Gi memory on CPU hosts without a memory request, else none. The accelerator's devices are added."""


def _quantities(block: str) -> dict[str, str]:
    """A rule over all values of a block. In lists such as datasets it would exceed the CEL cost budget: there the pattern alone refuses."""
    return rule(
        f"!has(self.{block}) || self.{block}.all(name, type(self.{block}[name]) == int || isQuantity(self.{block}[name]))",
        f"{block}: every value must be a quantity of Kubernetes, such as 8, 500m, 16G or 16Gi: write 16G or 16Gi instead of 16GB",
    )


def _not_reserved(field: str) -> dict[str, str]:
    """A rule over all keys of a map."""
    prefixes = " || ".join(f"name.startsWith('{prefix}')" for prefix in RESERVED_POD_PREFIXES)
    return rule(
        f"self.all(name, !({prefixes} || name in {list(RESERVED_POD_KEYS)}))",
        f"{field}: {', '.join((*(f'{prefix}*' for prefix in RESERVED_POD_PREFIXES), *RESERVED_POD_KEYS))} cannot be set: remove them",
    )


class PodTemplate(Resource):
    """Settings of the pods."""

    resources: Annotated[Resources, Field(json_schema_extra=guarded(*(_quantities(block) for block in ("requests", "limits"))))] | None = (
        None
    )
    node_selector: Annotated[dict[str, LabelValue], Field(max_length=32)] | None = None
    """Labels that a node must have. The accelerator's own take precedence, with a warning (TPU hosts, GPU profiles)."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    """Tolerations of the pods, in addition to the accelerator's own."""
    labels: Annotated[dict[str, LabelValue], Field(max_length=32, json_schema_extra=guarded(_not_reserved("labels")))] | None = None
    """Labels of the pods, such as `sidecar.istio.io/inject: "false"`. The operator's, the Job controller's and Kueue's own are refused."""
    annotations: (
        Annotated[
            dict[str, Annotated[str, Field(max_length=4096)]],
            Field(max_length=32, json_schema_extra=guarded(_not_reserved("annotations"))),
        ]
        | None
    ) = None
    """Annotations of the pods, such as `karpenter.sh/do-not-disrupt: "true"`. Refused as in labels, and those of the GPU profile."""
    runtime_class_name: ClaimName | None = None
    """RuntimeClass of the pods, such as `nvidia` where NVIDIA's runtime is not the default one. Default: the nodes' default runtime."""
    env: Annotated[tuple[Variable, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    """Environment variables of the trainer. Names are unique."""
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """Secrets for pulling images from private registries. Names are unique."""
    service_account_name: ClaimName | None = Field(
        default=None,
        description="Existing ServiceAccount of the pods, for example one with access to a bucket. Default: a new one for each attempt.",
    )
