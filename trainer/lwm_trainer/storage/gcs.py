"""Google Cloud Storage: lists objects, reads them by ranges, and turns the store's errors into ours."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, BinaryIO

from lwm_trainer.config import ErrorReason
from lwm_trainer.storage.errors import FileChangedError, StorageDeniedError, StorageMissingError, StorageUnavailableError
from lwm_trainer.storage.listing import Entry, Listing, parse_pattern

_BLOCK = 4 * 2**20
"""Bytes that one request asks for while an object is read in order."""


def list_objects(uri: str) -> Listing:
    bucket_name, _, path = uri.removeprefix("gs://").partition("/")
    path = path.rstrip("/")
    prefix = path.partition("*")[0]
    with object_store_errors(uri, bucket_name, role="roles/storage.objectViewer"):
        blobs = sorted(storage_client().bucket(bucket_name).list_blobs(prefix=prefix or None), key=lambda blob: str(blob.name))
    # Consoles make empty objects in place of folders.
    blobs = [blob for blob in blobs if not str(blob.name).endswith("/")]
    pattern = parse_pattern(path, lambda literal: any(f"{blob.name}/".startswith(f"{literal}/") for blob in blobs))
    if pattern is not None:
        root = pattern[0]
        blobs = [blob for blob in blobs if pattern[1].fullmatch(str(blob.name)[len(root) :].lstrip("/"))]
    else:
        # A prefix also matches siblings such as books-old: only the object itself and what lies below the folder count.
        blobs = [blob for blob in blobs if not path or blob.name == path or str(blob.name).startswith(path + "/")]
        root = path.rpartition("/")[0] if any(blob.name == path for blob in blobs) else path
    entries = tuple(Entry(str(blob.name)[len(root) :].lstrip("/"), int(blob.size), _version(blob)) for blob in blobs)
    return Listing(f"gs://{bucket_name}/{root}".rstrip("/"), entries)


def _version(blob: Any) -> str:
    return str(blob.md5_hash or blob.generation)


def open_object(uri: str, entry: Entry) -> BinaryIO:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    with object_errors(uri, bucket):
        # By name, since a listed blob carries the address under which the store knows itself, which we may not reach.
        blob = storage_client().bucket(bucket).blob(name)
        blob.reload()
    if (int(blob.size), _version(blob)) != (entry.size, entry.version):
        raise FileChangedError(uri)
    file = io.BufferedReader(_Object(uri, bucket, blob), _BLOCK)
    file.peek(1)
    return file


class _Object(io.RawIOBase):
    """An object of one generation, read by ranges."""

    def __init__(self, uri: str, bucket: str, blob: Any) -> None:
        self._uri, self._bucket, self._place = uri, bucket, 0
        self._size, self._generation = int(blob.size), int(blob.generation)
        self._blob = storage_client().bucket(bucket).blob(blob.name)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        end = min(self._place + len(buffer), self._size)
        if end <= self._place:
            return 0
        with object_errors(self._uri, self._bucket):
            content = self._blob.download_as_bytes(start=self._place, end=end - 1, if_generation_match=self._generation)
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)


def storage_client() -> Any:
    """A Google Cloud Storage client: with the pod's credentials, or without any when STORAGE_EMULATOR_HOST names an emulator."""
    return _client(os.environ.get("STORAGE_EMULATOR_HOST", ""))


@lru_cache(maxsize=1)
def _client(emulator: str) -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    if emulator:
        return storage.Client(project=os.environ.get("GOOGLE_CLOUD_PROJECT", "lwm"), credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    return storage.Client()


@contextmanager
def object_errors(uri: str, bucket: str) -> Iterator[None]:
    """As `object_store_errors`, for an object that was listed: if it is gone or replaced, raises FileChangedError."""
    from google.api_core import exceptions as api

    with object_store_errors(uri, bucket, role="roles/storage.objectViewer"):
        try:
            yield
        except (api.NotFound, api.PreconditionFailed, api.RequestRangeNotSatisfiable) as error:
            raise FileChangedError(uri) from error


@contextmanager
def object_store_errors(what: str, bucket: str, *, role: str) -> Iterator[None]:
    """Turn errors of the store into StorageMissingError, StorageDeniedError or StorageUnavailableError.

    `role`: the IAM role that the requests inside need on the bucket.
    """
    import requests
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    try:
        yield
    except api.NotFound as error:
        raise StorageMissingError(
            f"{what}: bucket {bucket!r} does not exist: create it, then raise spec.resume", ErrorReason.BUCKET_MISSING
        ) from error
    except (api.Forbidden, api.Unauthorized, auth.DefaultCredentialsError, auth.RefreshError) as error:
        first, *_ = str(error).splitlines() or [""]
        raise StorageDeniedError(
            f"{what}: access to bucket {bucket!r} is denied: grant {role} on it to the pod's account ({first})", ErrorReason.BUCKET_DENIED
        ) from error
    except (api.GoogleAPIError, auth.TransportError, requests.RequestException) as error:
        raise StorageUnavailableError(f"{what}: the object store did not answer ({type(error).__name__}: {error})") from error
