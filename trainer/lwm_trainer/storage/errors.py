"""What can go wrong with files and object stores, each with the exit code and the reason of the termination message."""

from lwm_trainer.config import ErrorReason, ExitCode


class StorageError(Exception):
    """A file, bucket or volume cannot be used. Its subclasses say why."""

    code: ExitCode = ExitCode.BAD_DATA
    """BAD_DATA: another attempt would end the same way."""
    reason: ErrorReason = ErrorReason.BAD_DATA


class InvalidUriError(StorageError):
    """The address is neither of an object store nor an absolute path."""


class FileMissingError(StorageError):
    """No file is at the address."""

    reason = ErrorReason.DATA_MISSING


class FileChangedError(StorageError):
    """A file is not the one that was listed."""

    reason = ErrorReason.DATA_CORRUPT

    def __init__(self, uri: str) -> None:
        super().__init__(f"{uri}: was changed while it was read: leave it as it is until the data set is ready, then raise spec.resume")


class StorageMissingError(StorageError):
    """The bucket (BucketMissing) or the volume (ClaimMissing) does not exist."""

    def __init__(self, message: str, reason: ErrorReason) -> None:
        super().__init__(message)
        self.reason = reason


class StorageDeniedError(StorageError):
    """The object store (BucketDenied) or the file system (ClaimDenied) refused us."""

    code = ExitCode.STORAGE_DENIED

    def __init__(self, message: str, reason: ErrorReason) -> None:
        super().__init__(message)
        self.reason = reason


class StorageUnavailableError(StorageError):
    """The object store did not answer: worth another try."""

    code = ExitCode.TRANSIENT
    reason = ErrorReason.STORAGE_UNAVAILABLE
