"""Archives of torch.save, which tests/vision/reference_relatives.py wrote, and what is refused without running it."""

import pickle
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.torch_archive import TorchArchive, Unread

CHECKPOINT = Path(__file__).parents[3] / "vision" / "lightning.ckpt"
BASE = np.arange(24, dtype=np.float32).reshape(4, 6)


def test_tensors_of_every_layout_are_read() -> None:
    tensors = TorchArchive(CHECKPOINT).tensors("missing", "state_dict")
    expected = {
        "whole": BASE,
        "transposed": BASE.T,
        "part": BASE[1:3, 2:5],
        "half": BASE.astype(np.float16),
        "bfloat16": BASE.astype(ml_dtypes.bfloat16),
        "integers": np.arange(5),
        "scalar": np.float32(0.5),
        "parameter": BASE + 1,
        "empty": np.zeros((0, 3), np.float32),
    }
    assert tensors.keys() == expected.keys()
    for name, values in expected.items():
        made = tensors[name].read()
        assert made.dtype == np.asarray(values).dtype, name
        np.testing.assert_array_equal(made, values, name)


def test_other_objects_are_not_made() -> None:
    settings = TorchArchive(CHECKPOINT).content["hyper_parameters"]
    assert settings.pop("type") is Unread
    assert {name: type(value) for name, value in settings.items()} == dict.fromkeys(("path", "size", "namespace"), Unread)


def archive(file: Path, content: bytes, name: str = "archive/data.pkl", byteorder: bytes = b"little") -> Path:
    with zipfile.ZipFile(file, "w") as opened:
        opened.writestr(name, content)
        opened.writestr("archive/byteorder", byteorder)
    return file


class _Runs:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("it-ran"),)


def test_no_code_of_a_file_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(TorchArchive(archive(tmp_path / "x.pt", pickle.dumps({"model": _Runs()}))).content["model"], Unread)
    assert not Path("it-ran").exists()


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    for content, options, message in (
        (b"", {}, "no archive of torch.save, or a damaged one"),
        (pickle.dumps({}), {"name": "other/data.json"}, "it has no data.pkl"),
        (pickle.dumps({}), {"byteorder": b"big"}, "its numbers are not little-endian"),
    ):
        with pytest.raises(ConversionError, match=rf"x\.pt: .*{message}.*: download it again, or save its tensors as safetensors"):
            TorchArchive(archive(tmp_path / "x.pt", content, **options))
    with pytest.raises(ConversionError, match=r"none\.pt: No such file or directory: give the file of the weights"):
        TorchArchive(tmp_path / "none.pt")
    (tmp_path / "x.pt").write_bytes(CHECKPOINT.read_bytes()[:2000])
    with pytest.raises(ConversionError, match=r"no archive of torch\.save"):
        TorchArchive(tmp_path / "x.pt")
    with pytest.raises(ConversionError, match=r"lightning\.ckpt: has no ema or model with tensors"):
        TorchArchive(CHECKPOINT).tensors("ema", "model")


def test_a_tensor_outside_its_storage_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(CHECKPOINT) as whole, zipfile.ZipFile(tmp_path / "x.ckpt", "w") as cut:
        for name in whole.namelist():
            cut.writestr(name, whole.read(name)[: 40 if "/data/0" in name else None])
    with pytest.raises(ValueError, match=r"storage 0 has 10 elements, which are too few for a tensor of \(4, 6\)"):
        TorchArchive(tmp_path / "x.ckpt").tensors("state_dict")["whole"].read()
