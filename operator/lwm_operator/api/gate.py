"""The gate of a stage, with the CEL rules over its fields."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from lwm_operator.api.resource import Name, Resource
from lwm_operator.api.rules import guarded, rule
from lwm_trainer.config import GateAnswers, GateSuiteName

DEPTH_SUITES: tuple[GateSuiteName, ...] = ("needle", "json-kv")
CHOICE_SUITES: tuple[GateSuiteName, ...] = ("mrcr", "babilong")
TEXT_SUITES: tuple[GateSuiteName, ...] = ("needle", "multi-needle", "babilong")
"""Those that ask at depths, that have choices, and that need a haystack."""
Length = Annotated[int, Field(ge=64, le=16_777_216)]


class GateSuite(Resource):
    """A suite of `lwm eval` that the stage's own pods ask, and the score that the model must reach."""

    model_config = ConfigDict(
        json_schema_extra=guarded(
            rule(
                "self.suite == 'ruler' || (self.suite in ['needle', 'multi-needle', 'babilong']) == has(self.haystack)",
                "needle, multi-needle and babilong hide facts in haystack, some tasks of ruler do, the other suites make their own"
                " text: give haystack for the former alone",
            ),
            rule(
                "self.suite in ['needle', 'json-kv'] ? !has(self.samples) : !has(self.depths) && !has(self.rounds)",
                "needle and json-kv have depths and rounds, the other suites have samples: leave the others out",
            ),
            rule("!has(self.tasks) || self.suite in ['ruler', 'babilong']", "tasks are those of ruler and babilong: leave tasks out"),
            rule(
                "!has(self.answers) || self.answers == 'generated' || self.suite in ['mrcr', 'babilong'] || (self.answers == 'forced' &&"
                " self.suite in ['needle', 'json-kv'])",
                "mrcr and babilong can be answered in each way, needle and json-kv not by the likeliest choice, the others are"
                " generated only: leave answers out",
            ),
        )
    )

    suite: GateSuiteName
    """Suite of `lwm eval`. needle: numbers hidden in a text, one question for each. json-kv: values of a JSON object by key. multi-needle:
    several numbers at once. ruler: RULER's tasks. babilong: facts of bAbI hidden in a text. mrcr: the i-th of equal requests. graphwalks:
    nodes of a list of edges."""
    lengths: Annotated[tuple[Length, ...], Field(min_length=1, max_length=8)]
    """Tokens of prompt and answer together, for each length; at most contextLength."""
    depths: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None,
        description="Number of depths of each text that are asked for, evenly from 0 to 100 %; for needle and json-kv. Default: 5.",
    )
    rounds: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None,
        description="Texts of each length, for needle and json-kv, which have lengths x depths x rounds questions. Default: 1.",
    )
    samples: Annotated[int, Field(ge=1, le=500)] | None = Field(
        default=None, description="Questions of each length and task, for suites without depths. Default: 10."
    )
    tasks: Annotated[tuple[Annotated[str, Field(max_length=32)], ...], Field(min_length=1, max_length=16)] | None = Field(
        default=None,
        description="Tasks of ruler (RULER's names, without qa) or babilong (qa1 to qa3). Default: all that need no haystack, and all of"
        " babilong.",
    )
    answers: GateAnswers | None = Field(
        default=None,
        description="Form of the answers. forced: right where every token of the right text is the most probable one. generated: the most"
        " probable text is generated and compared, for models that follow instructions. likeliest: the most probable of the suite's"
        " choices, for mrcr and babilong. Default: forced for needle and json-kv, likeliest for mrcr and babilong, else generated.",
    )
    min_score: Annotated[float, Field(gt=0, le=1)]
    """Least mean score of all questions, 0 to 1."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of the questions. The same seed makes the same ones."""
    haystack: Name | None = Field(
        default=None,
        description="Name from spec.datasets of a data set of kind text, in whose texts facts are hidden. needle, multi-needle and babilong"
        " need it, and some tasks of ruler.",
    )

    def with_defaults(self) -> "GateSuite":
        """The suite with what it asks by default filled in."""
        deep = self.suite in DEPTH_SUITES
        return self.model_copy(
            update={
                "depths": (self.depths or 5) if deep else None,
                "rounds": (self.rounds or 1) if deep else None,
                "samples": None if deep else (self.samples or 10),
                "answers": self.answers or ("forced" if deep else "likeliest" if self.suite in CHOICE_SUITES else "generated"),
            }
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
