"""Errors that end a stage early, each with the exit code that the operator reads. More of them: `data.errors` and `storage.errors`."""

from lwm_trainer.config import ErrorReason, ExitCode


class CheckpointMismatchError(Exception):
    """The checkpoint to start from was written by another model, tokenizer or data order."""

    code = ExitCode.BAD_CHECKPOINT


class DataChangedError(Exception):
    """The data is not what the stage's checkpoint was trained with, or not the same on all hosts."""

    code = ExitCode.BAD_DATA
    reason = ErrorReason.DATA_CHANGED


class DivergedError(Exception):
    """Loss or gradient norm is not finite. Every process sees the same numbers, so all of them exit together.

    `step`: steps done before the one that diverged, which is therefore step `step` counted from 0 and `step` + 1 counted from 1.
    """

    code = ExitCode.DIVERGED

    def __init__(self, message: str, *, step: int) -> None:
        super().__init__(message)
        self.step = step


class GateFailedError(Exception):
    """The stage is trained and committed, and its gate does not let it through."""

    code = ExitCode.GATE_FAILED

    def __init__(self, message: str, *, step: int) -> None:
        super().__init__(message)
        self.step = step


class AttemptReusedError(Exception):
    """Other processes have committed in this very attempt: its Job was suspended and resumed before the operator saw it."""

    code = ExitCode.SAVED_ON_REQUEST
