"""Checks that checkpoints can be written, before anything expensive is done."""

import errno
import os
from pathlib import Path

from lwm_trainer.config import ErrorReason
from lwm_trainer.storage.errors import StorageDeniedError, StorageMissingError, StorageUnavailableError
from lwm_trainer.storage.gcs import object_store_errors, storage_client

_PROBE = "write-probe"
_RETRY_SECONDS = 60.0
_TIMEOUT_SECONDS = 20.0


def require_writable(folder: str) -> None:
    """Write a tiny file in `folder` (an attempt's) and remove it again.

    Raises StorageMissingError for a bucket or volume that does not exist, StorageDeniedError, or StorageUnavailableError after
    a minute without an answer.
    """
    if folder.startswith("gs://"):
        _bucket(folder)
    else:
        _disk(Path(folder))


def _bucket(folder: str) -> None:
    from google.cloud.storage.retry import DEFAULT_RETRY

    name, _, prefix = folder.removeprefix("gs://").partition("/")
    retry = DEFAULT_RETRY.with_timeout(_RETRY_SECONDS)
    with object_store_errors(f"checkpoint.uri {folder}", name, role="roles/storage.objectUser"):
        blob = storage_client().bucket(name).blob(f"{prefix}/{_PROBE}")
        blob.upload_from_string(b"", retry=retry, timeout=_TIMEOUT_SECONDS)
        blob.delete(retry=retry, timeout=_TIMEOUT_SECONDS)


def _disk(folder: Path) -> None:
    volume = next(path for path in (folder, *folder.parents) if path.exists())
    if volume == volume.parent:
        raise StorageMissingError(
            f"checkpoint.pvc {folder}: nothing of this path exists: mount the volume there, then raise spec.resume",
            ErrorReason.CLAIM_MISSING,
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _PROBE).write_bytes(b"")
        (folder / _PROBE).unlink()
    except OSError as error:
        where = f"checkpoint.pvc {error.filename or folder}"
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise StorageDeniedError(
                f"{where}: may not be written by uid {os.getuid()} ({error.strerror}): change its owner or mode, or mount it writable",
                ErrorReason.CLAIM_DENIED,
            ) from error
        raise StorageUnavailableError(f"{where}: {error.strerror}: is the volume full or its server down?") from error
