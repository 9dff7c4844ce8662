"""The gate of a stage: the condition under which it is complete."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_trainer.config.contract import Contract

GATE_VERSION = 4
"""The first contract version whose trainers know gates. An older one would let every stage through."""
SUITES_VERSION = 5
"""The first contract version whose trainers know suites in gates. An older one would look at the validation loss alone."""

GateSuiteName = Literal["needle", "json-kv", "multi-needle", "ruler", "babilong", "mrcr", "graphwalks"]
RULER_TEXT_TASKS = ("niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multivalue", "niah_multiquery")
"""Tasks of `ruler` that hide needles in a haystack."""
GATE_TASKS = {
    "ruler": (*RULER_TEXT_TASKS, "niah_single_1", "niah_multikey_2", "niah_multikey_3", "vt", "vt_two_chains", "cwe", "fwe"),
    "babilong": ("qa1", "qa2", "qa3"),
}
"""The tasks that a gate may name, of the suites that have some."""
GATE_ANSWER_TOKENS = {"needle": 32, "json-kv": 32, "multi-needle": 64, "ruler": 128, "babilong": 16, "mrcr": 384, "graphwalks": 256}
"""Tokens that each suite leaves for its longest answer."""
GateAnswers = Literal["generated", "forced", "likeliest"]


class Haystack(Contract):
    """Where the texts of a suite come from."""

    uri: str
    """`gs://bucket/path` or an absolute path: a file, a folder or a pattern, as for data sets."""
    field: str
    """Record field with the text."""


class GateSuite(Contract):
    """A suite that the model is asked after the last step, and the score that it must reach."""

    suite: GateSuiteName
    lengths: Annotated[tuple[int, ...], Field(min_length=1)]
    """Tokens of prompt and answer together, at most the stage's context."""
    depths: Annotated[int, Field(ge=1)] | None = None
    """How many depths, evenly from 0 to 100 %; None for a suite without depths."""
    rounds: Annotated[int, Field(ge=1)] | None = None
    """Texts of each length; None for a suite without depths."""
    samples: Annotated[int, Field(ge=1)] | None = None
    """Questions of each length and task; None for a suite with depths."""
    tasks: tuple[str, ...] | None = None
    """Tasks of a suite that has some; None: those that it has by default."""
    answers: GateAnswers
    """How questions are answered: see `lwm_trainer.evaluation.suite.Way`."""
    min_score: Annotated[float, Field(gt=0, le=1)]
    """Least mean score of all questions."""
    seed: int = 0
    haystack: Haystack | None = None
    """Texts in which facts are hidden; None for a suite that makes its own."""


class Gate(Contract):
    """Bounds on what the model can do after the last step."""

    max_validation_loss: Annotated[float, Field(gt=0)] | None = None
    """Greatest mean loss of all targets of the last validation, in nats; None: any."""
    suites: tuple[GateSuite, ...] = ()

    @property
    def min_reader_version(self) -> int:
        """Oldest contract version whose trainers understand all that is set here."""
        return SUITES_VERSION if self.suites else GATE_VERSION


class SuiteScore(Contract):
    """What a suite of the gate came to."""

    suite: str
    score: float
    """Mean score of all questions, 0 to 1."""
    low: float
    """Low end of its 95 % interval."""
    high: float
    """High end of its 95 % interval."""
    questions: int
    min_score: float
    """The score that the gate asks for."""

    @property
    def passed(self) -> bool:
        return self.score >= self.min_score
