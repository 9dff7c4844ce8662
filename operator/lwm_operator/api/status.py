"""The status of an LWMTraining: what the operator writes. Decimal numbers are strings, as the API conventions require."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from lwm_operator.api.dataset_status import DatasetStatus
from lwm_operator.api.resource import Resource
from lwm_operator.api.rules import list_map
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.api.status_texts import Image, NodeName, Path, Sentence, Short, Time

KEPT_FAULTS = 64


class Phase(StrEnum):
    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    RECOVERING = "Recovering"
    SUSPENDED = "Suspended"
    PAUSED = "Paused"
    """Stopped until a person raises spec.resume."""
    COMPLETE = "Complete"
    FAILED = "Failed"


class Summary(Resource):
    """Formatted values for the columns of `kubectl get`, because JSONPath cannot format."""

    stage: Short = ""
    """Number and name of the current stage, such as `2/3 ctx1024`."""
    step: Short = ""
    """Completed and total steps of the stage, such as `120/400`."""
    loss: Short = ""
    """Loss of the newest step in nats per token."""
    tokens_per_second: Short = ""
    """Throughput of all hosts in tokens per second."""
    restarts: int = 0
    """Number of attempts after the first of each stage, over all stages."""
    hosts: Short = ""
    """Running and desired hosts, such as `3/4`."""
    checkpoint: Short = ""
    """Step of the stage's newest checkpoint; empty before the first."""
    eta: Short = ""
    """Estimated time to the end of the stage; empty until a step is reported."""
    image: Image = ""
    """Trainer image of the stage's newest attempt."""


class NodeFault(Resource):
    """A node that was the root cause of a failed attempt of this training."""

    node: NodeName
    """Name of the node."""
    node_pool: NodeName | None = None
    """Node pool of the node, for a slice of several TPU hosts."""
    at: Time
    """Time at which the root cause was found, in UTC."""


class Condition(Resource):
    """A condition of the training, as in the Kubernetes API conventions."""

    type: Short
    """Type of the condition: Accepted, Progressing, Suspended, Stalled, Complete or Failed."""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds."""
    reason: Short
    """Reason of the status in one word: docs/reasons.md."""
    message: Annotated[str, Field(max_length=2048)] = ""
    """Explanation in one line. For Accepted: every invalid or doubtful field, with the fix."""
    observed_generation: int = 0
    """metadata.generation of the spec for which the condition holds."""
    last_transition_time: Time
    """Time of the last change of `status`."""


class Status(Resource):
    """Status of the training, written by the operator. Decimal numbers are strings, as the API conventions require."""

    observed_generation: int = 0
    """metadata.generation of the spec that the operator has processed. If it is less than the object's, the newest edit is pending."""
    phase: Phase = Phase.PENDING
    """Phase of the training. Pending: `reason` says what it waits for. Recovering: the next attempt follows. Paused, Failed: stopped until
    spec.resume is raised."""
    reason: Short = ""
    """Reason of the phase in one word: docs/reasons.md."""
    message: Sentence = ""
    """Explanation of the phase in one line: stage, attempt, and what happens."""
    current_stage: int | None = None
    """Number of the current stage (1-based); absent until the first stage starts. Stages up to it can no longer be edited."""
    attempt: int | None = None
    """Number of the newest attempt of the current stage; absent before the first."""
    run_root: Path | None = None
    """Folder of the training's checkpoints. A training that is restored with its status continues in it, whatever its new uid."""
    observed_resume: int = 0
    """Value of spec.resume that the operator has processed."""
    node_faults: Annotated[tuple[NodeFault, ...], Field(max_length=KEPT_FAULTS)] = ()
    """Node failures of the last 24 hours, oldest first."""
    summary: Summary = Summary()
    stages: Annotated[tuple[StageStatus, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    """One entry per stage of spec.stages, in the same order, including future stages."""
    datasets: Annotated[tuple[DatasetStatus, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """One entry per data set with preparation, in the order of spec.datasets."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=list_map("type"))] = ()
    """All six conditions, always present, for example for `kubectl wait --for=condition=Complete`."""
