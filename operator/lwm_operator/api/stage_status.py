"""One stage in the status of an LWMTraining."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from lwm_operator.api.attempt_status import Attempt
from lwm_operator.api.resource import Resource
from lwm_operator.api.status_texts import Image, Path, Short, Time
from lwm_trainer.config import AcceptedChange, Rollback

RECENT_ATTEMPTS = 10
"""Newest attempts of a stage that status lists. Older ones are only counted."""
ROLLBACKS = 32
ACCEPTED_CHANGES = 32


class ImageSource(StrEnum):
    """Where a stage has its trainer image from."""

    SPEC = "Spec"
    INSTALLATION = "Installation"


class StageState(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    PAUSED = "Paused"
    COMPLETE = "Complete"
    FAILED = "Failed"


class GateState(StrEnum):
    PASSED = "Passed"
    FAILED = "Failed"
    WAIVED = "Waived"


class SuiteStatus(Resource):
    """Score of a suite of the gate."""

    suite: Short
    """Name of the suite."""
    score: Short
    """Mean score of all questions, 0 to 1, with four decimals."""
    interval: Short
    """The 95 % interval of the score."""
    questions: int
    """Number of questions."""
    min_score: Short
    """The score that the gate asks for."""


class FinalCheckpoint(Resource):
    """Final checkpoint of a stage, and hashes that are equal for equal runs."""

    path: Path
    """Orbax folder of the last step, below spec.checkpoint."""
    step: int
    """Last step of the stage."""
    state_hash: Short
    """Hash of parameters and optimizer state in 16 hexadecimal digits. It does not depend on the mesh."""
    record_hash: Short
    """SHA-256 over the loss, gradient norm and tokens of every step."""


class Failures(Resource):
    """Number of failed attempts of a stage by failure class."""

    permanent: int = 0
    """Bad data, checkpoints or configs, for which a retry would fail the same way."""
    app: int = 0
    """Failures of the program, and out of memory."""
    infra: int = 0
    """Failures of a host, node, network or storage."""
    hang: int = 0
    """Hangs: no step within the deadline."""
    diverged: int = 0
    """Divergences: the loss or gradient norm was not finite."""
    gate: int = 0
    """Evaluation gates that were not met."""
    disruption: int = 0
    """Preemptions, evictions, drains and deletions."""


class BudgetsUsed(Resource):
    """Failures charged to the stage's budgets since the newest checkpoint or the newest change of spec.resume."""

    app: int = 0
    """Failures charged to failurePolicy.budgets.app. The stage stops when they exceed it."""
    infra: int = 0
    """Failures charged to failurePolicy.budgets.infra. The stage stops when they exceed it."""
    hang: int = 0
    """Failures charged to failurePolicy.budgets.hang. The stage stops when they exceed it."""
    disruption: int = 0
    """Disruptions charged to failurePolicy.budgets.disruption. The stage is paused when they exceed it."""
    rollbacks: int = 0
    """Rollbacks charged to onDivergence.maxRollbacks. Checkpoints do not reset them, because a run that diverges repeatedly also saves
    checkpoints."""
    committed_step: int = 0
    """Step of the newest checkpoint when this was charged. A newer checkpoint resets the budgets."""


class StageStatus(Resource):
    """Progress and history of one stage."""

    name: Short
    """Name of the stage in spec.stages."""
    state: StageState = StageState.PENDING
    """State of the stage. Paused, Failed: stopped until spec.resume is raised."""
    step: int = 0
    """Completed steps. A rollback sets it back."""
    total_steps: int = 0
    """Number of steps of the stage."""
    loss: Short | None = None
    """Loss of the newest step in nats per token, with four decimals."""
    validation_loss: Short | None = None
    """Mean loss of all targets of the newest validation, with four decimals; absent without one."""
    gate: GateState | None = None
    """What came of stages[].gate. Waived: it failed, and spec.resume was raised. Absent before the last step and without a gate."""
    gate_suites: Annotated[tuple[SuiteStatus, ...], Field(max_length=4)] = ()
    """Scores of the suites of stages[].gate, in their order."""
    profile: Path | None = None
    """Folder of the newest trace of stages[].profile; absent before the first."""
    tokens_per_second: Short | None = None
    """Throughput of all hosts in tokens per second, rounded to an integer."""
    committed_step: int = 0
    """Step of the newest checkpoint, from which the next attempt resumes; 0: none."""
    attempts: int = 0
    """Number of started attempts, which is the number of the newest attempt."""
    restarts: int = 0
    """Number of attempts after the first."""
    image: Image | None = None
    """Trainer image of the stage's newest attempt; absent before the first."""
    image_source: ImageSource | None = None
    """Spec: the image is spec.image. Installation: it was the installation's when the stage began. An upgrade of the chart does not change
    it before the stage ends."""
    started_at: Time | None = None
    """Start time of the first attempt."""
    completed_at: Time | None = None
    """Time at which the final checkpoint was reported."""
    final_checkpoint: FinalCheckpoint | None = None
    failures: Failures = Failures()
    budgets_used: BudgetsUsed = BudgetsUsed()
    rollbacks: Annotated[tuple[Rollback, ...], Field(max_length=ROLLBACKS)] = ()
    """Rollbacks after divergences, oldest first."""
    accepted_changes: Annotated[tuple[AcceptedChange, ...], Field(max_length=ACCEPTED_CHANGES)] = ()
    """Newest changes of data sets within the stage that acceptChangeTo accepted, oldest first."""
    recent_attempts: Annotated[tuple[Attempt, ...], Field(max_length=RECENT_ATTEMPTS)] = ()
    """Newest attempts, newest first."""
