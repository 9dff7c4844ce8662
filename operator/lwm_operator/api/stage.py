"""One stage of the ladder, with the rules that its numbers keep among themselves."""

from typing import Annotated

from pydantic import ConfigDict, Field

from lwm_operator.api.accelerator import Accelerator
from lwm_operator.api.resource import Name, Resource
from lwm_operator.api.rules import guarded, list_map, rule
from lwm_operator.api.storage import Share
from lwm_trainer.config import Loss, Memory, Mesh, Optimizer, Packing


class Stage(Resource):
    """One stage of the ladder: a context length with its theta, batch, mesh, data and schedule."""

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
    """Part of the storage path: a-z, 0-9 and hyphens."""
    context_length: Annotated[int, Field(ge=8, le=16_777_216)]
    """Tokens of a row; a multiple of 2 x mesh.sp."""
    rope_theta: Annotated[float, Field(gt=1, le=1e12)] = 10000.0
    """Base of the rotary embedding: grows with the context."""
    batch_tokens: Annotated[int, Field(ge=8, le=1_073_741_824)]
    """Tokens of a step over the whole gang; a multiple of contextLength."""
    steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Exactly one of steps and tokens."""
    tokens: Annotated[int, Field(ge=8, le=1_000_000_000_000_000)] | None = None
    """Exactly one of steps and tokens; a multiple of batchTokens."""
    mesh: Annotated[
        Mesh,
        Field(
            json_schema_extra=guarded(
                rule(
                    "!has(self.ulysses) || self.sp % self.ulysses == 0",
                    "ulysses must divide sp: use a divisor of it, or leave it out and the fastest is chosen",
                )
            )
        ),
    ] = Mesh()
    mixture: Annotated[tuple[Share, ...], Field(max_length=16, json_schema_extra=list_map("dataset"))] = Field(
        default=(), description="Default: all data sets, with equal weights."
    )
    packing: Packing = "mixed"
    """Which documents may share a row. mixed: all, rows are fullest. bucketed: those of one class of lengths, from a power of two to
    below the next, so that the rows of a class cost attention about the same; short documents' rows are sparse, long ones' dense."""
    optimizer: Optimizer = Optimizer()
    loss: Loss = Loss()
    memory: Memory = Memory()
    accelerator: Accelerator | None = Field(default=None, description="What this stage runs on, whole. Default: the training's.")

    @property
    def total_steps(self) -> int:
        return self.steps if self.steps is not None else (self.tokens or 0) // self.batch_tokens
