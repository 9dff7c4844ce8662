"""What can go wrong with data, each with the exit code it leads to and the reason that people are shown."""

from lwm_trainer.config import ExitCode


class DataError(Exception):
    """Data or tokenizer does not fit the training: another attempt would end the same way."""

    code = ExitCode.BAD_DATA
    reason = "BadData"


class DataMissingError(DataError):
    """Nothing is where the data or the tokenizer should be."""

    reason = "DataMissing"


class DataCorruptError(DataError):
    """Something is there, but it is not what it should be."""

    reason = "DataCorrupt"


def changed(uri: str) -> DataCorruptError:
    """A file is not the one that was listed."""
    return DataCorruptError(f"{uri}: was changed while it was read: leave it as it is until the data set is ready, then raise spec.resume")


class StorageMissingError(DataError):
    """The bucket (BucketMissing) or the volume (ClaimMissing) does not exist."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class StorageDeniedError(Exception):
    """The object store (BucketDenied) or the file system (ClaimDenied) refused us."""

    code = ExitCode.STORAGE_DENIED

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class StorageUnavailableError(Exception):
    """The object store did not answer: worth another try."""

    code = ExitCode.TRANSIENT
    reason = "StorageUnavailable"
