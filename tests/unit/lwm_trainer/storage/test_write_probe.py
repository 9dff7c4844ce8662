"""Whether checkpoints can be written, and what is said when not."""

import errno
import os
from pathlib import Path

import pytest

from lwm_trainer.config import ExitCode
from lwm_trainer.storage import write_probe
from lwm_trainer.storage.errors import StorageDeniedError, StorageMissingError, StorageUnavailableError
from lwm_trainer.storage.write_probe import require_writable
from support.stub_object_store import object_store

FOLDER = "gs://lwm/runs/default/bible-1/s1-a/a1"


def test_a_bucket_that_takes_writes_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    with object_store(monkeypatch, 200) as store:
        require_writable(FOLDER)
        changes = [request.split() for request in store.requests if not request.startswith("GET")]
        assert [verb for verb, _ in changes] == ["POST", "DELETE"]
        assert changes[1][1].endswith("a1%2Fwrite-probe"), "in the attempt's own folder"


@pytest.mark.parametrize(
    ("status", "error", "code", "reason", "words"),
    [
        (404, StorageMissingError, ExitCode.BAD_DATA, "BucketMissing", "bucket 'lwm' does not exist: create it, then raise spec.resume"),
        (403, StorageDeniedError, ExitCode.STORAGE_DENIED, "BucketDenied", "bucket 'lwm' is denied: grant roles/storage.objectUser on it"),
        (401, StorageDeniedError, ExitCode.STORAGE_DENIED, "BucketDenied", "bucket 'lwm' is denied: grant roles/storage.objectUser on it"),
        (503, StorageUnavailableError, ExitCode.TRANSIENT, "StorageUnavailable", "the object store did not answer"),
    ],
)
def test_a_bucket_that_does_not_is_told_by_its_kind(
    monkeypatch: pytest.MonkeyPatch, status: int, error: type[StorageDeniedError], code: ExitCode, reason: str, words: str
) -> None:
    monkeypatch.setattr(write_probe, "_RETRY_SECONDS", 0.2)
    with object_store(monkeypatch, status), pytest.raises(error, match=words) as raised:
        require_writable(FOLDER)
    assert (raised.value.code, raised.value.reason) == (code, reason)
    assert str(raised.value).startswith(f"checkpoint.uri {FOLDER}: ")


def test_a_store_that_is_not_there_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_probe, "_RETRY_SECONDS", 0.2)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    with pytest.raises(StorageUnavailableError, match=r"checkpoint\.uri gs://lwm/"):
        require_writable(FOLDER)


def test_a_volume_that_takes_writes_is_left_with_the_attempt_s_folder(tmp_path: Path) -> None:
    require_writable(str(tmp_path / "runs" / "a1"))
    assert list((tmp_path / "runs" / "a1").iterdir()) == []


def test_a_volume_that_is_not_mounted_is_named() -> None:
    with pytest.raises(StorageMissingError, match="/nowhere/runs/a1: nothing of this path exists: mount the volume") as raised:
        require_writable("/nowhere/runs/a1")
    assert (raised.value.code, raised.value.reason) == (ExitCode.BAD_DATA, "ClaimMissing")


@pytest.mark.parametrize(("number", "words"), [(errno.EACCES, "Permission denied"), (errno.EROFS, "Read-only file system")])
def test_a_volume_that_refuses_is_named_with_our_uid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    folder = str(tmp_path / "runs")

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)  # root, as which tests may run, is refused nothing
    with pytest.raises(StorageDeniedError, match=rf"{folder}: may not be written by uid {os.getuid()} \({words}\)") as raised:
        require_writable(folder)
    assert (raised.value.code, raised.value.reason) == (ExitCode.STORAGE_DENIED, "ClaimDenied")
