"""Reasons of the Events that `kubectl describe` shows."""

from enum import StrEnum
from typing import Self


class EventReason(StrEnum):
    """The reason of an Event, and what the Event reports."""

    _value_: str
    meaning: str
    """One sentence."""

    def __new__(cls, value: str, meaning: str) -> Self:
        reason = str.__new__(cls, value)
        reason._value_ = value
        reason.meaning = meaning
        return reason

    INVALID_SPEC = ("InvalidSpec", "The spec is invalid, so nothing is created for it.")
    SPEC_WARNING = ("SpecWarning", "The spec was accepted with a warning.")
    DATASET_READY = ("DatasetReady", "A data set was prepared.")
    RECORDS_SKIPPED = ("RecordsSkipped", "The preparation of a data set skipped invalid records.")
    DATASET_FAILED = ("DatasetFailed", "The preparation of a data set failed.")
    STAGE_STARTED = ("StageStarted", "A stage began.")
    ATTEMPT_STARTED = ("AttemptStarted", "An attempt of a stage began.")
    CHECKPOINT_COMMITTED = ("CheckpointCommitted", "An attempt committed its first checkpoint.")
    CHECKPOINT_LOST = (
        "CheckpointLost",
        "The newest checkpoint that the status named is missing or damaged in the storage. The attempt continues from an older one.",
    )
    ATTEMPT_FAILED = ("AttemptFailed", "An attempt failed. The message contains the root cause.")
    STAGE_COMPLETE = ("StageComplete", "A stage is complete and its final checkpoint is committed.")
    TRAINING_SUSPENDED = ("TrainingSuspended", "`spec.suspend` is true and no pod runs.")
    TRAINING_PAUSED = ("TrainingPaused", "The training is paused until `spec.resume` is raised.")
    TRAINING_FAILED = ("TrainingFailed", "The training failed.")
    TRAINING_COMPLETE = ("TrainingComplete", "All stages are complete.")
    ACTION_FAILED = ("ActionFailed", "The API server rejected an action of the operator. The operator retries.")
    UNREADABLE = ("Unreadable", "The operator cannot parse the training, because the CRD and the operator differ in version.")
