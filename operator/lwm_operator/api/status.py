"""The status of an LWMTraining: what the operator writes. Floats are strings, as the API conventions want."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from lwm_operator.api.resource import Resource
from lwm_operator.api.rules import list_map

Short = Annotated[str, Field(max_length=64)]
Sentence = Annotated[str, Field(max_length=1024)]
Path = Annotated[str, Field(max_length=1024)]
Time = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]

RECENT_ATTEMPTS = 10
"""Attempts of a stage that status tells about; older ones live on in the count only."""


class Phase(StrEnum):
    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    RECOVERING = "Recovering"
    COMPLETE = "Complete"
    FAILED = "Failed"


class AttemptState(StrEnum):
    CREATING = "Creating"
    """The intent: written before the Job is created."""
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    """A host was lost; its peers are given a moment to leave."""
    COMPLETE = "Complete"
    FAILED = "Failed"


class StageState(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"


class RootCause(Resource):
    """Why an attempt ended: the first host that failed for a reason of its own."""

    reason: Short
    message: Sentence = ""
    exit_code: int | None = None
    pod: Annotated[str, Field(max_length=253)] | None = None
    node: Annotated[str, Field(max_length=253)] | None = None


class Attempt(Resource):
    number: int
    state: AttemptState
    job_uid: Short | None = None
    started_at: Time | None = None
    finished_at: Time | None = None
    from_step: int = 0
    step: int = 0
    committed_step: int = 0
    root_cause: RootCause | None = None


class FinalCheckpoint(Resource):
    """Where a stage's result lies, and the hashes that two equal runs share."""

    path: Path
    step: int
    state_hash: Short
    record_hash: Short


class StageStatus(Resource):
    name: Short
    state: StageState = StageState.PENDING
    step: int = 0
    total_steps: int = 0
    loss: Short | None = None
    tokens_per_second: Short | None = None
    committed_step: int = 0
    attempts: int = 0
    """How many were started; also the number of the newest one."""
    restarts: int = 0
    started_at: Time | None = None
    completed_at: Time | None = None
    final_checkpoint: FinalCheckpoint | None = None
    recent_attempts: Annotated[tuple[Attempt, ...], Field(max_length=RECENT_ATTEMPTS)] = ()
    """Newest first."""


class Summary(Resource):
    """Ready-made words for the columns of `kubectl get`: JSONPath cannot compute."""

    stage: Short = ""
    step: Short = ""
    loss: Short = ""
    tokens_per_second: Short = ""
    restarts: int = 0
    hosts: Short = ""
    checkpoint: Short = ""
    eta: Short = ""


class Condition(Resource):
    type: Short
    status: Literal["True", "False", "Unknown"]
    reason: Short
    message: Annotated[str, Field(max_length=2048)] = ""
    observed_generation: int = 0
    last_transition_time: Time


class Status(Resource):
    observed_generation: int = 0
    phase: Phase = Phase.PENDING
    reason: Short = ""
    message: Sentence = ""
    current_stage: int | None = None
    """1-based; absent until the first stage begins. Stages up to it can no longer be edited."""
    attempt: int | None = None
    summary: Summary = Summary()
    stages: Annotated[tuple[StageStatus, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=list_map("type"))] = ()
