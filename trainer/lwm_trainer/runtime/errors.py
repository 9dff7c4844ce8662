"""Errors that end a stage early, each with the exit code that the operator reads. More of them: `data.errors` and `storage.errors`."""

from lwm_trainer.config import ExitCode


class CheckpointMismatchError(Exception):
    """The checkpoint to start from was written by another model, tokenizer or data order."""

    code = ExitCode.BAD_CHECKPOINT


class DivergedError(Exception):
    """Loss or gradient norm is not finite; every process sees the same number, so all leave together.

    `step`: how many steps were done before the one that diverged, which is therefore step `step` counted from 0, and `step` + 1 from 1.
    """

    code = ExitCode.DIVERGED

    def __init__(self, message: str, *, step: int) -> None:
        super().__init__(message)
        self.step = step


class AttemptReusedError(Exception):
    """Other processes have committed for this very attempt: its Job was suspended and unsuspended before the operator saw it."""

    code = ExitCode.SAVED_ON_REQUEST


class SavedOnRequest(Exception):  # noqa: N818 - an ending, not an error
    """SIGTERM came and the state is saved."""

    code = ExitCode.SAVED_ON_REQUEST
