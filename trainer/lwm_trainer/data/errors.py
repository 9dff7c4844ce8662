"""What can go wrong with data, each with the exit code it leads to."""

from lwm_trainer.config import ExitCode


class DataError(Exception):
    """Data or tokenizer is missing or corrupt: another attempt would end the same way."""

    code = ExitCode.BAD_DATA


class StorageDeniedError(Exception):
    """The object store refused the credentials."""

    code = ExitCode.STORAGE_DENIED


class StorageUnavailableError(Exception):
    """The object store did not answer: worth another try."""

    code = ExitCode.TRANSIENT
