"""The gate of a stage, with the CEL rules over its fields."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from lwm_operator.api.resource import Name, Resource
from lwm_operator.api.rules import guarded, rule
from lwm_trainer.config import GateAnswers, GateSuiteName

Length = Annotated[int, Field(ge=64, le=16_777_216)]


class GateSuite(Resource):
    """A suite of `lwm eval` that the stage's own pods ask, and the score that the model must reach."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule(
                "(self.suite == 'needle') == has(self.haystack)",
                "needle hides its facts in haystack, json-kv makes its own text: give haystack for needle alone",
            )
        )
    )

    suite: GateSuiteName
    """Suite. needle: numbers hidden in a text. json-kv: values of a JSON object by key."""
    lengths: Annotated[tuple[Length, ...], Field(min_length=1, max_length=8)]
    """Tokens of prompt and answer together, for each length; at most contextLength."""
    depths: Annotated[int, Field(ge=1, le=100)] = 5
    """Number of depths of each text that are asked for, evenly from 0 to 100 %."""
    rounds: Annotated[int, Field(ge=1, le=100)] = 1
    """Texts of each length. A suite has lengths x depths x rounds questions."""
    answers: GateAnswers = "forced"
    """Form of the answers. forced: right where every token of the right text is the most probable one. generated: the most probable text
    is generated and compared, for models that follow instructions."""
    min_score: Annotated[float, Field(gt=0, le=1)]
    """Least mean score of all questions, 0 to 1."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of the questions. The same seed makes the same ones."""
    haystack: Name | None = Field(
        default=None, description="Name from spec.datasets of a data set of kind text, in whose texts needles are hidden. Needle needs it."
    )


class Gate(Resource):
    """Condition under which the next stage may begin. It is checked after the stage's last step, whose checkpoint is kept either way."""

    max_validation_loss: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        default=None,
        description="Greatest mean loss of the last validation, in nats per target: status.stages[].validationLoss. Default: no limit.",
    )
    suites: Annotated[tuple[GateSuite, ...], Field(max_length=4)] = ()
    """Suites that are asked after the last step and its validation, and the least score of each. Their results are saved beside the
    final checkpoint, in the folder evals."""
    on_failure: Literal["Pause", "Fail"] = "Pause"
    """What happens where a condition is not met. Pause: the training is Paused. Fail: it is Failed. A higher spec.resume lets the stage
    through as it is."""
