"""Bytes of files and folders, on disk or in Google Cloud Storage, behind one function."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwm_trainer.data.errors import DataError, DataMissingError, StorageDeniedError, StorageMissingError, StorageUnavailableError

SUFFIXES = (".txt", ".jsonl")
_PARALLEL_READS = 8


@dataclass(frozen=True)
class File:
    """One file's name (as in error messages) and its bytes."""

    uri: str
    content: bytes


def read_files(uri: str, suffixes: tuple[str, ...] = SUFFIXES) -> list[File]:
    """The file `uri`, or all files below the folder `uri` that end in one of `suffixes`, sorted by path.

    `uri` is `gs://bucket/path` or an absolute path. Raises DataMissingError or StorageMissingError when nothing is there,
    StorageDeniedError or StorageUnavailableError when it is not given.
    """
    files = _read_bucket(uri, suffixes) if uri.startswith("gs://") else _read_disk(uri, suffixes)
    if not files:
        raise DataMissingError(f"{uri}: no file ending in {' or '.join(suffixes)} is there: put the text there or correct the uri")
    return files


def _read_disk(uri: str, suffixes: tuple[str, ...]) -> list[File]:
    root = Path(uri)
    if not root.is_absolute():
        raise DataError(f"{uri!r} is neither gs://bucket/path nor an absolute path: write it as one of them")
    if not root.exists():
        raise DataMissingError(f"{uri}: no such file or folder: put the data there or correct the uri")
    found = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]
    try:
        return [File(str(path), path.read_bytes()) for path in found if path.name.endswith(suffixes)]
    except PermissionError as error:
        raise StorageDeniedError(
            f"{error.filename}: may not be read by uid {os.getuid()}: change its owner or mode", "ClaimDenied"
        ) from error


def _read_bucket(uri: str, suffixes: tuple[str, ...]) -> list[File]:
    bucket_name, _, prefix = uri.removeprefix("gs://").partition("/")
    prefix = prefix.rstrip("/")
    with object_store_errors(uri, bucket_name, role="roles/storage.objectViewer"):
        bucket = storage_client().bucket(bucket_name)
        names = sorted(str(blob.name) for blob in bucket.list_blobs(prefix=prefix or None))
        # A prefix also matches siblings such as books-old: only the object itself and what lies below the folder count.
        names = [name for name in names if name == prefix or not prefix or name.startswith(prefix + "/")]
        names = [name for name in names if name.endswith(suffixes)]
        with ThreadPoolExecutor(_PARALLEL_READS) as pool:
            # By name, since a listed blob carries the address under which the store knows itself, which we may not reach.
            contents = list(pool.map(lambda name: bucket.blob(name).download_as_bytes(), names))
    return [File(f"gs://{bucket_name}/{name}", content) for name, content in zip(names, contents, strict=True)]


def storage_client() -> Any:
    """A Google Cloud Storage client: with the pod's credentials, or without any when STORAGE_EMULATOR_HOST names an emulator."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    if os.environ.get("STORAGE_EMULATOR_HOST"):
        return storage.Client(project=os.environ.get("GOOGLE_CLOUD_PROJECT", "lwm"), credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    return storage.Client()


@contextmanager
def object_store_errors(what: str, bucket: str, *, role: str) -> Iterator[None]:
    """Says which of the three it is: not there, not allowed, not reachable. `role` is what the work inside needs on the bucket."""
    import requests
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    try:
        yield
    except api.NotFound as error:
        raise StorageMissingError(
            f"{what}: bucket {bucket!r} does not exist: create it, then raise spec.resume", "BucketMissing"
        ) from error
    except (api.Forbidden, api.Unauthorized, auth.DefaultCredentialsError, auth.RefreshError) as error:
        first, *_ = str(error).splitlines() or [""]
        raise StorageDeniedError(
            f"{what}: access to bucket {bucket!r} is denied: grant {role} on it to the pod's account ({first})", "BucketDenied"
        ) from error
    except (api.GoogleAPIError, auth.TransportError, requests.RequestException) as error:
        raise StorageUnavailableError(f"{what}: the object store did not answer ({type(error).__name__}: {error})") from error
