"""What can be wrong with data and tokenizer, each with the reason of the termination message. Another attempt would end the same way."""

from lwm_trainer.config import ErrorReason, ExitCode


class DataError(Exception):
    """Data or tokenizer does not fit the training."""

    code = ExitCode.BAD_DATA
    reason = ErrorReason.BAD_DATA


class DataMissingError(DataError):
    """There is no data: files are empty, documents are left out, or a data set has not been prepared."""

    reason = ErrorReason.DATA_MISSING


class DataCorruptError(DataError):
    """A file, record or token store is not what it should be."""

    reason = ErrorReason.DATA_CORRUPT
