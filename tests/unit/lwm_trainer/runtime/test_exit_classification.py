"""How exceptions are classified; those of libraries are raised by the libraries themselves, against a store that answers badly."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gcsfs  # type: ignore[import-untyped]
import google.auth.exceptions
import jax
import pytest
import tensorstore

from lwm_trainer.config import ExitCode
from lwm_trainer.runtime.errors import CheckpointMismatchError, DivergedError
from lwm_trainer.runtime.exit_classification import ExitClassification, classify_exception
from support.stub_object_store import object_store


def classify(work: Callable[[], object], *, gang: bool = True) -> ExitClassification:
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - any
        work()
    return classify_exception(raised.value, gang=gang)


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def by_gcsfs() -> None:
    files = gcsfs.GCSFileSystem("anon", skip_instance_cache=True, endpoint_url=os.environ["STORAGE_EMULATOR_HOST"])
    files.pipe_file("bucket/x", b"x")


def by_tensorstore() -> None:
    retries = {"gcs_request_retries": {"max_retries": 1, "initial_delay": "1ms"}}
    spec = {"driver": "gcs", "bucket": "bucket", "context": retries}
    tensorstore.KvStore.open(spec).result().write("x", b"x").result()


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = asyncio.sleep
    monkeypatch.setattr("gcsfs.retry.asyncio.sleep", lambda _: sleep(0))
    monkeypatch.setenv("GOOGLE_AUTH_TOKEN_FOR_TESTING", "anonymous")
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")


@pytest.mark.parametrize("library", [by_gcsfs, by_tensorstore])
@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (401, ExitCode.STORAGE_DENIED, "BucketDenied"),
        (403, ExitCode.STORAGE_DENIED, "BucketDenied"),
        (429, ExitCode.TRANSIENT, "StorageUnavailable"),
        (503, ExitCode.TRANSIENT, "StorageUnavailable"),
    ],
)
def test_what_the_store_answers(
    monkeypatch: pytest.MonkeyPatch, no_patience: None, library: Callable[[], None], status: int, code: ExitCode, reason: str
) -> None:
    with object_store(monkeypatch, status) as store:
        monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", f"http://127.0.0.1:{store.server_port}")
        classification = classify(library)
        assert store.requests
    assert (classification.code, classification.reason) == (code, reason), classification


@pytest.mark.parametrize("library", [by_gcsfs, by_tensorstore])
def test_a_store_that_is_gone(monkeypatch: pytest.MonkeyPatch, no_patience: None, library: Callable[[], None]) -> None:
    for name in ("STORAGE_EMULATOR_HOST", "TENSORSTORE_GCS_HTTP_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    classification = classify(library)
    assert (classification.code, classification.reason) == (ExitCode.TRANSIENT, "StorageUnavailable"), classification


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (
            google.auth.exceptions.DefaultCredentialsError("none"),  # type: ignore[no-untyped-call]
            ExitCode.STORAGE_DENIED,
            "BucketDenied",
        ),
        (
            google.auth.exceptions.RefreshError("later", retryable=True),  # type: ignore[no-untyped-call]
            ExitCode.TRANSIENT,
            "StorageUnavailable",
        ),
        (PermissionError(13, "Permission denied", "/lwm"), ExitCode.STORAGE_DENIED, "ClaimDenied"),
        (ValueError("PERMISSION_DENIED: Failed to open: x [os_error_code='13']"), ExitCode.STORAGE_DENIED, "ClaimDenied"),
        (OSError(28, "No space left on device"), ExitCode.TRANSIENT, "StorageFull"),
        (TimeoutError(), ExitCode.TRANSIENT, "StorageUnavailable"),
        (OSError(5, "Input/output error"), ExitCode.TRANSIENT, "Transient"),
        (jax.errors.JaxRuntimeError("UNAVAILABLE: a peer is gone"), ExitCode.PEER_LOST, "PeerLost"),
        (jax.errors.JaxRuntimeError("INTERNAL: CUDA_ERROR_ECC_UNCORRECTABLE: x"), ExitCode.DEVICE_FAULT, "DeviceFault"),
        (ValueError("CUDA_ERROR_ECC_UNCORRECTABLE"), ExitCode.UNCAUGHT_EXCEPTION, "UncaughtException"),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 9 GiB"), ExitCode.UNCAUGHT_EXCEPTION, "UncaughtException"),
        (ValueError("x is 3"), ExitCode.UNCAUGHT_EXCEPTION, "UncaughtException"),
        (CheckpointMismatchError("other"), ExitCode.BAD_CHECKPOINT, "BadCheckpoint"),
        (DivergedError("nan", step=4), ExitCode.DIVERGED, "Diverged"),
    ],
)
def test_other_errors(error: BaseException, code: ExitCode, reason: str) -> None:
    classification = classify(raising(error))
    assert (classification.code, classification.reason) == (code, reason), classification


def test_alone_a_runtime_error_is_one_s_own() -> None:
    assert classify(raising(jax.errors.JaxRuntimeError("UNAVAILABLE: x")), gang=False).code == ExitCode.UNCAUGHT_EXCEPTION


def test_alone_too_a_device_that_failed_is_one() -> None:
    assert classify(raising(jax.errors.JaxRuntimeError("UNAVAILABLE: TPU has been reset")), gang=False).code == ExitCode.DEVICE_FAULT


def test_a_device_that_failed_explains_the_save_that_failed() -> None:
    def work() -> None:
        try:
            raise jax.errors.JaxRuntimeError("INTERNAL: Accelerator device halted prematurely")
        except jax.errors.JaxRuntimeError as error:
            raise ConnectionError("the save was given up") from error

    assert classify(work).code == ExitCode.DEVICE_FAULT


def test_what_lies_beneath_counts() -> None:
    def work() -> None:
        try:
            raise ConnectionResetError("gone")
        except ConnectionResetError as error:
            raise RuntimeError("save failed") from error

    classification = classify(work)
    assert (classification.code, classification.message) == (ExitCode.TRANSIENT, "RuntimeError: save failed")


def test_the_line_has_the_error_and_our_innermost_frame(tmp_path: Path) -> None:
    from lwm_trainer.checkpoint.lineage import Origin

    def work() -> Any:
        return Origin.model_validate_json((tmp_path / "none").read_text())

    assert classify(work).message.startswith("FileNotFoundError: [Errno 2] No such file")
    from lwm_trainer.checkpoint.manifest import make_manifest

    classification = classify(lambda: make_manifest(None, None, "", 3))  # type: ignore[arg-type]
    assert classification.message.startswith(
        "AttributeError: 'NoneType' object has no attribute 'training' at lwm_trainer/checkpoint/manifest.py:"
    )
    assert classification.message.endswith(" make_manifest")
