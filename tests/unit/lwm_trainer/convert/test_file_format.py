"""A file is named by its first bytes, and what the converter reads itself is no other format."""

import gzip
import io
import pickle
import tarfile

import numpy as np
import pytest
from safetensors.numpy import save

from lwm_trainer.convert.file_format import SAFETENSORS, detect_format
from lwm_trainer.storage.file_format import HEAD_BYTES

WEIGHTS = {"x": np.ones(3, np.float32)}


def saved_by_numpy() -> bytes:
    content = io.BytesIO()
    np.savez(content, x=WEIGHTS["x"])
    return content.getvalue()


def packed_by_tar() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights"))
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        *((pickle.dumps(1, protocol), "a pickle") for protocol in range(2, 6)),
        (saved_by_numpy(), "a zip archive"),
        (packed_by_tar(), "a tar archive"),
        (gzip.compress(b"weights", mtime=0), "a gzip archive"),
        (b"GGUF\x03\x00\x00\x00", "a GGUF file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b'{"layers": 2}', "JSON"),
        (b"\xde\x00\x10", "Flax's whole msgpack"),
    ],
)
def test_formats_are_told_apart(content: bytes, name: str) -> None:
    detected = detect_format(content[:HEAD_BYTES])
    assert detected is not None
    assert detected.name.startswith(name)


def test_safetensors_is_recognized_and_noise_is_not() -> None:
    assert detect_format(save(WEIGHTS)[:HEAD_BYTES]) is SAFETENSORS
    assert detect_format(bytes(range(1, 100))) is None
