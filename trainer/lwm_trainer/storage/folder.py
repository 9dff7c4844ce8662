"""A folder to write to, on disk or in Google Cloud Storage, in which every file is complete or absent."""

import errno
import os
import secrets
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lwm_trainer.config import ErrorReason
from lwm_trainer.storage.errors import StorageDeniedError, StorageUnavailableError
from lwm_trainer.storage.gcs import object_store_errors, storage_client

_TIMEOUT_SECONDS = 120.0


class Folder(ABC):
    """Names are of files in the folder itself, without subfolders.

    Methods raise StorageMissingError, StorageDeniedError and StorageUnavailableError.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")

    @abstractmethod
    def names(self) -> set[str]:
        """The names of the complete files; none where the folder does not exist."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """The content of a file; None when there is none of this name."""

    @abstractmethod
    def local(self, name: str, cache: Path) -> Path:
        """The file on this machine: itself, or a copy in `cache`."""

    @abstractmethod
    @contextmanager
    def new(self, name: str) -> Iterator[Path]:
        """A path to write to. When the context ends without an error, the file gets its name and replaces one of the same name."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    @abstractmethod
    def tidy(self) -> None:
        """Remove what killed writers have left."""

    def write(self, name: str, content: bytes) -> None:
        with self.new(name) as path:
            path.write_bytes(content)


def folder(uri: str) -> Folder:
    return _Bucket(uri) if uri.startswith("gs://") else _Disk(uri)


class _Disk(Folder):
    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._path = Path(self.uri)

    def names(self) -> set[str]:
        with self._errors():
            return {path.name for path in self._path.iterdir() if not path.name.startswith(".")} if self._path.exists() else set()

    def read(self, name: str) -> bytes | None:
        with self._errors():
            try:
                return (self._path / name).read_bytes()
            except FileNotFoundError:
                return None

    def local(self, name: str, cache: Path) -> Path:  # noqa: ARG002 - of a bucket's files
        return self._path / name

    @contextmanager
    def new(self, name: str) -> Iterator[Path]:
        path = self._path / f".{name}.{secrets.token_hex(4)}"
        with self._errors():
            self._path.mkdir(parents=True, exist_ok=True)
            try:
                yield path
                path.replace(self._path / name)
            except FileNotFoundError:
                # Another worker has finished and removed this temporary file.
                if not (self._path / name).exists():
                    raise
            finally:
                path.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        with self._errors():
            (self._path / name).unlink(missing_ok=True)

    def tidy(self) -> None:
        with self._errors():
            for path in self._path.glob(".*"):
                path.unlink(missing_ok=True)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = str(error.filename or self._path)
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                fix = f"may not be used by uid {os.getuid()} ({error.strerror}): change its owner or mode, or mount it writable"
                raise StorageDeniedError(f"{where}: {fix}", ErrorReason.CLAIM_DENIED) from error
            raise StorageUnavailableError(f"{where}: {error.strerror}: is the volume full or its server down?") from error


class _Bucket(Folder):
    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._bucket, _, self._prefix = self.uri.removeprefix("gs://").partition("/")

    def names(self) -> set[str]:
        prefix = f"{self._prefix}/"
        with self._errors():
            names = [str(blob.name)[len(prefix) :] for blob in storage_client().bucket(self._bucket).list_blobs(prefix=prefix)]
        return {name for name in names if "/" not in name}

    def read(self, name: str) -> bytes | None:
        from google.api_core.exceptions import NotFound

        with self._errors():
            try:
                return bytes(self._blob(name).download_as_bytes())
            except NotFound:
                return None

    def local(self, name: str, cache: Path) -> Path:
        path = cache / name
        part = path.with_name(f".{name}.{secrets.token_hex(4)}")
        with self._errors():
            self._blob(name).download_to_filename(str(part))
        return part.replace(path)

    @contextmanager
    def new(self, name: str) -> Iterator[Path]:
        from google.cloud.storage.retry import DEFAULT_RETRY

        place = Path(tempfile.mkdtemp(prefix="lwm-"))
        try:
            yield place / name
            with self._errors():
                self._blob(name).upload_from_filename(str(place / name), retry=DEFAULT_RETRY, timeout=_TIMEOUT_SECONDS)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def remove(self, name: str) -> None:
        from google.api_core.exceptions import NotFound

        with self._errors():
            try:
                self._blob(name).delete()
            except NotFound:
                return

    def tidy(self) -> None:
        """Nothing to do: an upload that did not complete is invisible."""

    def _blob(self, name: str) -> Any:
        return storage_client().bucket(self._bucket).blob(f"{self._prefix}/{name}")

    def _errors(self) -> Any:
        return object_store_errors(self.uri, self._bucket, role="roles/storage.objectUser")
