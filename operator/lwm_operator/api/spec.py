"""The spec of an LWMTraining: what the user writes.

CEL rules stand beside the fields they guard; rules over several fields stand on `Spec`. Bounds are everywhere, because the API
server refuses a CRD whose rules might cost too much.
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
from lwm_trainer.config import Model

CPUS = "self.accelerator.cpu.hosts * self.accelerator.cpu.devicesPerHost"
GPUS = "self.accelerator.gpu.hosts * self.accelerator.gpu.perHost"
MESH = "s.mesh.dp * s.mesh.fsdp * s.mesh.tp * s.mesh.sp"


def _each_stage(holds: str, message: str) -> dict[str, str]:
    """A rule over all stages, in which `s` is the stage. (An expression for the message that names it would be over the cost budget.)"""
    return rule(f"self.stages.all(s, {holds})", f"stages[].{message}")


class Spec(Resource):
    """What is to be trained, on what, and what is done about failures."""

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
                "self.model.heads % s.mesh.tp == 0 && self.model.kvHeads % s.mesh.tp == 0",
                "mesh.tp: it must divide model.heads and model.kvHeads: use a divisor of both",
            ),
            _each_stage(
                "!has(s.mixture) || s.mixture.all(m, self.datasets.exists(d, d.name == m.dataset))",
                "mixture: it names a data set that is not in datasets: use the name of one of datasets",
            ),
            rule(
                "has(self.model.vision) || self.datasets.all(d, d.kind != 'vision')",
                "datasets[].kind: vision needs model.vision: add it, for LWM's codes with vocabSize 8448",
            ),
        )
    )

    image: Annotated[str, Field(max_length=512, pattern=r"^[^\s]*$")] = Field(
        default="", description="The trainer's image. Default: the one that the operator was installed with."
    )
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, json_schema_extra=guarded(immutable("seed")))] = 0
    """Of the first stage's parameters (without model.initFrom) and of the order of data: equal seeds and settings draw the same batches."""
    model: Annotated[
        InitialModel,
        Field(
            json_schema_extra=guarded(
                immutable("model"),
                rule("self.heads % self.kvHeads == 0", "kvHeads must divide heads: use a divisor of heads"),
            )
        ),
    ]
    tokenizer: Annotated[Location, Field(json_schema_extra=guarded(immutable("tokenizer")))]
    """A Hugging Face tokenizer.json with `<s>` and `</s>`: its own `gs://` address, or the folder of a PVC in which it lies."""
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1, max_length=16, json_schema_extra=list_map("name", immutable("datasets")))]
    """What stages draw rows from, told apart by name."""
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
    """What stages run on that name nothing of their own."""
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=32, json_schema_extra=list_map("name"))]
    """The ladder, in the order in which they run; each begins with the parameters that the one before ended with."""
    pod_template: PodTemplate = PodTemplate()
    execution: Execution = Execution()
    failure_policy: FailurePolicy = FailurePolicy()
    suspend: bool = Field(default=False, description="True: the pods save and leave, nothing is charged; false: it goes on from there.")
    resume: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, description="Raise it by one to let a Paused or Failed training go on, with fresh budgets."
    )
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=315_360_000)] | None = Field(
        default=None, description="So long after Complete or Failed, Jobs, pods and what was made for them go. Checkpoints stay."
    )

    def accelerator_of(self, stage: Stage) -> Accelerator:
        return stage.accelerator if stage.accelerator is not None else self.accelerator

    def weights_of(self, stage: Stage) -> Mapping[str, float]:
        """The share of each data set that the stage draws on, by name: its mixture; without one, all with equal weights."""
        return {share.dataset: share.weight for share in stage.mixture} or {dataset.name: 1.0 for dataset in self.datasets}

    def drawn_on(self, stage: Stage) -> tuple[Dataset, ...]:
        """In the order of `datasets`."""
        weights = self.weights_of(stage)
        return tuple(dataset for dataset in self.datasets if dataset.name in weights)

    def model_of(self, number: int) -> Model:
        """The model of stage `number` (1-based): without the tables of vision before the first stage that draws on a data set of that kind,
        so that the text stages of a ladder do not carry them. A model from elsewhere (`initFrom`) may have some, which stay."""
        sees = [any(dataset.kind == "vision" for dataset in self.drawn_on(stage)) for stage in self.stages]
        plain = self.model.plain
        blind = self.model.init_from is None and any(sees) and not any(sees[:number])
        return plain.model_copy(update={"vision": None}) if blind else plain
