"""The spec of an LWMTraining: what the user writes.

CEL rules are next to the fields that they guard. Rules over several fields are on `Spec`. Every list and string has a bound, because the
API server refuses a CRD whose rules might cost too much.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import ConfigDict, Field

from lwm_operator.api.accelerator import Accelerator
from lwm_operator.api.dataset import Dataset
from lwm_operator.api.execution import Execution
from lwm_operator.api.failure_policy import FailurePolicy
from lwm_operator.api.model import InitialModel
from lwm_operator.api.pod_template import PodTemplate
from lwm_operator.api.resource import Resource
from lwm_operator.api.rules import guarded, immutable, list_map, rule
from lwm_operator.api.stage import Stage
from lwm_operator.api.storage import Checkpoint, Location
from lwm_trainer.config import Model, Precision, Trackers

CPUS = "self.accelerator.cpu.hosts * self.accelerator.cpu.devicesPerHost"
GPUS = "self.accelerator.gpu.hosts * self.accelerator.gpu.perHost"
MESH = "s.mesh.dp * s.mesh.fsdp * s.mesh.tp * s.mesh.sp"


SAME_NAMES = rule(
    "self.map(d, d.name) == oldSelf.map(d, d.name)",
    "datasets cannot be added, removed or moved after creation: create a new LWMTraining instead",
)


def _each_stage(holds: str, message: str) -> dict[str, str]:
    """A rule over all stages, in which `s` is the stage. (A message expression that names the stage would exceed the CEL cost budget.)"""
    return rule(f"self.stages.all(s, {holds})", f"stages[].{message}")


class Spec(Resource):
    """The desired training: model, data, stages, accelerator, and what happens on failures."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            _each_stage(
                f"has(s.accelerator) || !has(self.accelerator.cpu) || {MESH} == {CPUS}",
                "mesh: dp x fsdp x tp x sp must equal accelerator.cpu.hosts x devicesPerHost: change the mesh or the number of hosts",
            ),
            _each_stage(
                f"has(s.accelerator) || !has(self.accelerator.gpu) || {MESH} == {GPUS}",
                "mesh: dp x fsdp x tp x sp must equal accelerator.gpu.hosts x perHost: change the mesh or the number of hosts",
            ),
            _each_stage(
                "self.model.heads % s.mesh.tp == 0 && (self.model.kvHeads % s.mesh.tp == 0 || s.mesh.tp % self.model.kvHeads == 0)",
                "mesh.tp must divide model.heads, and model.kvHeads or be a multiple of it: use a divisor of both",
            ),
            _each_stage(
                "!has(s.mixture) || s.mixture.all(m, self.datasets.exists(d, d.name == m.dataset))",
                "mixture names a data set that is not in datasets: use a name from datasets",
            ),
            rule(
                "has(self.model.vision) || self.datasets.all(d, d.kind != 'vision')",
                "datasets[].kind: vision needs model.vision: add it, with vocabSize 8448 for LWM's codes",
            ),
        )
    )

    image: Annotated[str, Field(max_length=512, pattern=r"^[^\s]*$")] = Field(
        default="", description="Trainer image. Default: the trainer image of the operator's installation."
    )
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, json_schema_extra=guarded(immutable("seed")))] = 0
    """Random seed of the initial parameters (without model.initFrom) and of the data order. Equal seeds and settings give equal batches."""
    model: Annotated[
        InitialModel,
        Field(
            json_schema_extra=guarded(
                immutable("model"),
                rule("self.heads % self.kvHeads == 0", "kvHeads must divide heads: use a divisor of heads"),
            )
        ),
    ]
    precision: Annotated[
        Precision,
        Field(
            json_schema_extra=guarded(
                immutable("precision"),
                rule(
                    "!has(self.matmul) || self.compute == 'float32'",
                    "matmul is for compute float32, products of bfloat16 have one precision: leave matmul out",
                ),
            )
        ),
    ] = Precision()
    tokenizer: Annotated[Location, Field(json_schema_extra=guarded(immutable("tokenizer")))]
    """A Hugging Face tokenizer.json with the tokens `<s>` and `</s>`: the `gs://` address of the file, or the PVC folder that holds it."""
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1, max_length=16, json_schema_extra=list_map("name", SAME_NAMES))]
    """Data sets from which stages draw rows. Names are unique."""
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
    """Accelerator of every stage without `accelerator`."""
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=32, json_schema_extra=list_map("name"))]
    """Stages in the order in which they run. Each stage starts from the final parameters of the previous stage."""
    pod_template: PodTemplate = PodTemplate()
    execution: Execution = Execution()
    trackers: Trackers = Trackers()
    failure_policy: FailurePolicy = FailurePolicy()
    suspend: bool = Field(
        default=False,
        description="True: the pods save a checkpoint and exit, which uses no budget. False: the training resumes from that checkpoint.",
    )
    resume: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, description="Counter. Raise it by one to resume a Paused or Failed training with reset failure budgets."
    )
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=315_360_000)] | None = Field(
        default=None,
        description="Seconds after Complete or Failed until Jobs, pods and their objects are deleted. Default: never. Checkpoints stay.",
    )

    def accelerator_of(self, stage: Stage) -> Accelerator:
        return stage.accelerator if stage.accelerator is not None else self.accelerator

    def weights_of(self, stage: Stage) -> Mapping[str, float]:
        """Weights of the data sets in the stage's mixture, by name. Without a mixture, all that no stage validates on weigh the same."""
        if stage.mixture:
            return {share.dataset: share.weight for share in stage.mixture}
        held_out = {name for each in self.stages for name in each.validation_datasets}
        return {dataset.name: 1.0 for dataset in self.datasets if dataset.name not in held_out}

    def dataset_names_of(self, stage: Stage) -> set[str]:
        """Names of all data sets that the stage reads, to train or to validate."""
        return {*self.weights_of(stage), *stage.validation_datasets}

    def datasets_of(self, stage: Stage) -> tuple[Dataset, ...]:
        """The data sets in the stage's mixture, in the order of `datasets`."""
        weights = self.weights_of(stage)
        return tuple(dataset for dataset in self.datasets if dataset.name in weights)

    def model_of(self, number: int) -> Model:
        """The model of stage `number` (1-based).

        Stages before the first one with a vision data set have no vision vocabulary. A model with `initFrom` always keeps it.
        """
        model = self.model.without_init_from
        has_vision = [any(dataset.kind == "vision" for dataset in self.datasets_of(stage)) for stage in self.stages]
        text_only = self.model.init_from is None and any(has_vision) and not any(has_vision[:number])
        return model.model_copy(update={"vision": None}) if text_only else model
