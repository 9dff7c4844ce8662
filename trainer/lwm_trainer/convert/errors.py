"""Errors of a conversion, with their exit codes."""

from lwm_trainer.config import ExitCode


class ConversionError(Exception):
    """The input cannot be converted: names the file, the tensor or field, and the fix."""

    code = ExitCode.BAD_DATA


class WrongArgumentError(ConversionError):
    """A command line argument is wrong."""

    code = ExitCode.BAD_ARGUMENTS


class WrongStepFolderError(ConversionError):
    """A step folder is missing, damaged or does not match its manifest."""

    code = ExitCode.BAD_CHECKPOINT
