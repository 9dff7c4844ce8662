"""Why a conversion was refused."""

from lwm_trainer.config import ExitCode


class ConversionError(Exception):
    """Names the file, the tensor or field, and the fix."""

    code = ExitCode.BAD_DATA


class WrongArgumentError(ConversionError):
    code = ExitCode.BAD_ARGUMENTS


class WrongStepFolderError(ConversionError):
    code = ExitCode.BAD_CHECKPOINT
