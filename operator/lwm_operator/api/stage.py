"""One stage, with the CEL rules over its fields."""

from typing import Annotated

from pydantic import ConfigDict, Field

from lwm_operator.api.accelerator import Accelerator
from lwm_operator.api.gate import Gate
from lwm_operator.api.resource import Name, Resource
from lwm_operator.api.rules import LIST_TYPE, guarded, list_map, rule
from lwm_trainer.config import Loss, Memory, Mesh, Optimizer, Packing


class MixtureEntry(Resource):
    """A data set of a stage's mixture and its weight."""

    dataset: Name
    """Name from spec.datasets. Names are unique within a mixture."""
    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    """Share of the mixture, relative to the weights of the other data sets."""


class Validation(Resource):
    """Loss on held-out documents, computed by the stage's own pods while it trains. It changes nothing of the training."""

    datasets: Annotated[tuple[Name, ...], Field(min_length=1, max_length=16, json_schema_extra={LIST_TYPE: "set"})]
    """Names from spec.datasets, of data sets that no stage trains on."""
    interval_steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        default=None, description="Steps between two validations. Default: only after the last step, which always has one."
    )
    batches: Annotated[int, Field(ge=1, le=100_000)] = 8
    """Batches of batchTokens from each data set, the same ones every time. A smaller data set is read once."""


class Profile(Resource):
    """Traces of named steps for XProf, taken by host 0 into the run's folder. They change none of the training's numbers."""

    steps: Annotated[
        tuple[Annotated[int, Field(ge=1, le=10_000_000)], ...], Field(min_length=1, max_length=32, json_schema_extra={LIST_TYPE: "set"})
    ]
    """Steps of the stage, from 1. Steps that follow each other are one trace. The first step of an attempt is slower than others."""


class Stage(Resource):
    """One stage: a context length with its rotary base, batch size, mesh, data and schedule."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule("has(self.steps) != has(self.tokens)", "give exactly one of steps and tokens"),
            rule(
                "!has(self.gate) || !has(self.gate.maxValidationLoss) || has(self.validation)",
                "gate.maxValidationLoss is a condition on the validation loss: add validation, or remove it",
            ),
            rule(
                "!has(self.gate) || !has(self.gate.suites) || self.gate.suites.all(g, g.lengths.all(n, n <= self.contextLength))",
                "gate.suites[].lengths must not exceed contextLength: use shorter ones",
            ),
            rule(
                "!has(self.tokens) || self.tokens % self.batchTokens == 0",
                "tokens must be a multiple of batchTokens: use one, or give steps",
            ),
            rule(
                "self.batchTokens % self.contextLength == 0",
                "batchTokens must be a multiple of contextLength, because a step holds whole rows: use a multiple",
            ),
            rule(
                "self.contextLength % (2 * self.mesh.sp) == 0",
                "contextLength must be a multiple of 2 x mesh.sp, because each rank of the ring holds two equal chunks: use a multiple or a"
                " smaller mesh.sp",
            ),
            rule(
                "(self.batchTokens / self.contextLength) % (self.mesh.dp * self.mesh.fsdp) == 0",
                "the rows of a step (batchTokens / contextLength) must be a multiple of mesh.dp x mesh.fsdp: use a larger batchTokens or a"
                " smaller dp x fsdp",
            ),
        )
    )

    name: Name
    """Unique name of the stage: a-z, 0-9 and hyphens. It is part of the storage path."""
    context_length: Annotated[int, Field(ge=8, le=16_777_216)]
    """Tokens per row: a multiple of 2 x mesh.sp."""
    rope_theta: Annotated[float, Field(gt=1, le=1e12)] = 10000.0
    """Base of the rotary embedding (RoPE theta). Longer contexts need a larger base."""
    batch_tokens: Annotated[int, Field(ge=8, le=1_073_741_824)]
    """Tokens per step over all hosts: a multiple of contextLength."""
    steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Length of the stage in steps. Give either steps or tokens."""
    tokens: Annotated[int, Field(ge=8, le=1_000_000_000_000_000)] | None = None
    """Length of the stage in tokens: a multiple of batchTokens. Give either steps or tokens."""
    mesh: Annotated[
        Mesh,
        Field(
            json_schema_extra=guarded(
                rule(
                    "!has(self.ulysses) || self.sp % self.ulysses == 0",
                    "ulysses must divide sp: use a divisor of sp, or leave ulysses out to let the trainer choose",
                )
            )
        ),
    ] = Mesh()
    mixture: Annotated[tuple[MixtureEntry, ...], Field(max_length=16, json_schema_extra=list_map("dataset"))] = Field(
        default=(), description="Data sets of the stage with their weights. Default: all that no stage validates on, with equal weights."
    )
    packing: Packing = "mixed"
    """Documents that may share a row. mixed: all, which fills rows best. bucketed: documents of one length class, from a power of two up to
    the next, so that the rows of a class have about equal attention cost."""
    optimizer: Annotated[
        Optimizer,
        Field(
            json_schema_extra=guarded(
                rule(
                    "!has(self.momentum) || self.name == 'muon'",
                    "momentum is for muon, that of adamw and adafactor is beta1: leave momentum out",
                ),
                rule("!has(self.decaySteps) || self.schedule == 'wsd'", "decaySteps is for schedule wsd: leave decaySteps out"),
                rule(
                    "self.schedule != 'constant' || self.finalFraction in [0.1, 1.0]",
                    "finalFraction is for schedules cosine and wsd, not for constant: leave finalFraction out",
                ),
            )
        ),
    ] = Optimizer()
    loss: Loss = Loss()
    memory: Memory = Memory()
    validation: Validation | None = Field(default=None, description="Loss on held-out documents while the stage trains. Default: none.")
    gate: Annotated[
        Gate | None,
        Field(
            json_schema_extra=guarded(
                rule(
                    "has(self.maxValidationLoss) || (has(self.suites) && size(self.suites) > 0)",
                    "a gate has no condition: give maxValidationLoss or suites",
                )
            )
        ),
    ] = Field(default=None, description="Condition under which the next stage may begin, and the training may complete. Default: none.")
    profile: Profile | None = Field(default=None, description="Traces of named steps for XProf. Default: none.")
    accelerator: Accelerator | None = Field(
        default=None, description="Accelerator of this stage; it replaces spec.accelerator as a whole. Default: spec.accelerator."
    )

    @property
    def validation_datasets(self) -> tuple[str, ...]:
        """Names of the data sets that the stage validates on."""
        return self.validation.datasets if self.validation is not None else ()

    @property
    def total_steps(self) -> int:
        return self.steps if self.steps is not None else (self.tokens or 0) // self.batch_tokens
