"""The spec of an LWMTraining: what the user writes.

CEL rules stand beside the fields they guard; rules over several fields stand on `Spec`. Bounds are everywhere, because the API
server refuses a CRD whose rules might cost too much.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from lwm_operator.api.rules import guarded, immutable, list_map, rule
from lwm_trainer.config import Mesh, Model, Optimizer

Name = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
ClaimName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")]
Uri = Annotated[str, Field(min_length=6, max_length=512, pattern=r"^gs://[a-z0-9][-_.a-z0-9]+[a-z0-9](/[^\s]*)?$")]
SubPath = Annotated[str, Field(max_length=256, pattern=r"^([^/.\s][^\s]*)?$")]
Quantity = Annotated[int | str, Field()]


class Resource(BaseModel):
    """A frozen record with camelCase names. The API server prunes unknown fields, so an older operator ignores newer ones."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True)


class Claim(Resource):
    """A folder on a PersistentVolumeClaim of the training's namespace (ReadWriteMany when there is more than one host)."""

    claim_name: ClaimName
    sub_path: SubPath = ""


ONE_PLACE = rule("has(self.uri) != has(self.pvc)", "give exactly one of uri (gs://bucket/folder) and pvc (claimName, subPath)")


class Location(Resource):
    """Where something lies: `gs://bucket/folder`, or a folder (or file) on a PVC."""

    model_config = ConfigDict(json_schema_extra=guarded(ONE_PLACE))

    uri: Uri | None = None
    pvc: Claim | None = None


class Checkpoint(Resource):
    """Where the runs are kept: below it, each training writes into `<namespace>/<name>-<uid8>/` only."""

    model_config = ConfigDict(json_schema_extra=guarded(ONE_PLACE))

    uri: Uri | None = None
    pvc: Claim | None = None
    endpoint: Annotated[str, Field(max_length=256, pattern=r"^https?://[^\s/]+$")] | None = Field(
        default=None,
        description="Of an emulator or a private endpoint of Google Cloud Storage, such as http://fake-gcs.lwm-storage.svc:4443.",
    )
    every_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    keep: Annotated[int, Field(ge=1, le=100)] = 2


class Dataset(Resource):
    """A source of documents that stages draw on by name."""

    name: Name
    kind: Literal["text"] = "text"
    source: Location
    text_field: Annotated[str, Field(min_length=1, max_length=64)] = "text"


class Share(Resource):
    """One data set's share of a stage's mixture, relative to the others'."""

    dataset: Name
    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0


class Cpu(Resource):
    """Hosts (pods) of CPU devices: for trying things out and for tests."""

    hosts: Annotated[int, Field(ge=1, le=64)]
    devices_per_host: Annotated[int, Field(ge=1, le=64)] = 1
    threads: Annotated[int, Field(ge=1, le=256)] = Field(
        default=2,
        description="XLA's threads in a pod: part of what makes a run repeat bit for bit, so it does not follow the node's cores.",
    )


class Accelerator(Resource):
    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule("self.type != 'cpu' || has(self.cpu)", "cpu is missing: type cpu needs cpu.hosts and cpu.devicesPerHost")
        )
    )

    type: Literal["cpu"] = "cpu"
    cpu: Cpu | None = None


class Stage(Resource):
    """One rung of the ladder: a context length with its theta, batch, mesh, data and schedule."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule("has(self.steps) != has(self.tokens)", "give exactly one of steps and tokens"),
            rule(
                "!has(self.tokens) || self.tokens % self.batchTokens == 0",
                "tokens must be a multiple of batchTokens: use one, or give steps",
            ),
            rule(
                "self.batchTokens % self.contextLength == 0",
                "batchTokens must be a multiple of contextLength: a step holds whole rows",
            ),
            rule(
                "self.contextLength % (2 * self.mesh.sp) == 0",
                "contextLength must be a multiple of 2 x mesh.sp: each rank of the ring holds two equal chunks",
            ),
            rule(
                "(self.batchTokens / self.contextLength) % (self.mesh.dp * self.mesh.fsdp) == 0",
                "the rows of a step (batchTokens / contextLength) must be a multiple of mesh.dp x mesh.fsdp: use a larger batchTokens or a"
                " smaller dp x fsdp",
            ),
        )
    )

    name: Name
    context_length: Annotated[int, Field(ge=8, le=16_777_216)]
    rope_theta: Annotated[float, Field(gt=1, le=1e12)] = 10000.0
    batch_tokens: Annotated[int, Field(ge=8, le=1_073_741_824)]
    steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    tokens: Annotated[int, Field(ge=8, le=1_000_000_000_000_000)] | None = None
    mesh: Mesh = Mesh()
    mixture: Annotated[tuple[Share, ...], Field(max_length=16, json_schema_extra=list_map("dataset"))] = Field(
        default=(), description="Default: all data sets, with equal weights."
    )
    optimizer: Optimizer = Optimizer()

    @property
    def total_steps(self) -> int:
        return self.steps if self.steps is not None else (self.tokens or 0) // self.batch_tokens


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


DEVICES = "self.accelerator.cpu.hosts * self.accelerator.cpu.devicesPerHost"
MESH = "s.mesh.dp * s.mesh.fsdp * s.mesh.tp * s.mesh.sp"


def _each_stage(holds: str, message: str) -> dict[str, str]:
    """A rule over all stages, in which `s` is the stage. (An expression for the message that names it would be over the cost budget.)"""
    return rule(f"self.stages.all(s, {holds})", f"stages[].{message}")


class Spec(Resource):
    model_config = ConfigDict(
        json_schema_extra=guarded(
            _each_stage(
                f"!has(self.accelerator.cpu) || {MESH} == {DEVICES}",
                "mesh: dp x fsdp x tp x sp must equal accelerator.cpu.hosts x devicesPerHost: change the mesh or the number of hosts",
            ),
            _each_stage(
                "self.model.heads % s.mesh.tp == 0 && self.model.kvHeads % s.mesh.tp == 0",
                "mesh.tp: it must divide model.heads and model.kvHeads: use a divisor of both",
            ),
            _each_stage(
                "!has(s.mixture) || s.mixture.all(m, self.datasets.exists(d, d.name == m.dataset))",
                "mixture: it names a data set that is not in datasets: use the name of one of datasets",
            ),
        )
    )

    image: Annotated[str, Field(max_length=512, pattern=r"^[^\s]*$")] = Field(
        default="", description="The trainer's image. Default: the one that the operator was installed with."
    )
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, json_schema_extra=guarded(immutable("seed")))] = 0
    model: Annotated[
        Model,
        Field(
            json_schema_extra=guarded(
                immutable("model"),
                rule("self.heads % self.kvHeads == 0", "kvHeads must divide heads: use a divisor of heads"),
            )
        ),
    ]
    tokenizer: Annotated[Location, Field(json_schema_extra=guarded(immutable("tokenizer")))]
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1, max_length=16, json_schema_extra=list_map("name", immutable("datasets")))]
    checkpoint: Annotated[
        Checkpoint,
        Field(
            json_schema_extra=guarded(
                rule(
                    "(has(self.uri) ? self.uri : '') == (has(oldSelf.uri) ? oldSelf.uri : '')"
                    " && has(self.pvc) == has(oldSelf.pvc) && (!has(self.pvc) || self.pvc == oldSelf.pvc)"
                    " && (has(self.endpoint) ? self.endpoint : '') == (has(oldSelf.endpoint) ? oldSelf.endpoint : '')",
                    "uri, pvc and endpoint cannot change after creation: create a new LWMTraining instead",
                )
            )
        ),
    ]
    accelerator: Accelerator
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=32, json_schema_extra=list_map("name"))]
    pod_template: PodTemplate = PodTemplate()
