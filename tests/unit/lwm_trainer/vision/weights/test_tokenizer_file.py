"""Our file: a round trip, its fingerprint, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.storage.errors import FileMissingError
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.media.frame_recipe import FRAME_RECIPE
from lwm_trainer.vision.vqgan_config import VqganConfig
from lwm_trainer.vision.weights import tokenizer_file
from lwm_trainer.vision.weights.parameter_names import flatten
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer, write_tokenizer

PLAIN = VqganConfig(
    image_size=8,
    width=4,
    multipliers=(1, 2),
    blocks=1,
    groups=2,
    latent_width=4,
    codebook_size=48,
    codebook_width=3,
    attention_resolutions=(4,),
    mid_attention=True,
)
FSQ = PLAIN.model_copy(update={"quantiser": "fsq", "fsq_levels": (4, 4, 3)})


@pytest.mark.parametrize("config", [PLAIN, FSQ, PLAIN.model_copy(update={"quantiser": "cosine"})])
def test_a_file_comes_back_as_it_was(config: VqganConfig, tmp_path: Path) -> None:
    params = vqgan.init(config, 1)
    digest = write_tokenizer(f"{tmp_path}/a.safetensors", config, params, "test")
    file = read_tokenizer(f"{tmp_path}/a.safetensors")
    assert (file.config, file.fingerprint, file.source) == (config, digest, "test")
    ours = flatten(file.params)
    assert ours.keys() == flatten(params).keys()
    for path, value in flatten(params).items():
        np.testing.assert_array_equal(ours[path], value)


def test_the_fingerprint_knows_weights_config_and_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    params = vqgan.init(PLAIN, 1)
    digests = {
        tokenizer_file.fingerprint(PLAIN, params),
        tokenizer_file.fingerprint(PLAIN.model_copy(update={"quantiser": "cosine"}), params),
    }
    params["codebook"][3, 1] += 1e-6
    digests.add(tokenizer_file.fingerprint(PLAIN, params))
    monkeypatch.setitem(FRAME_RECIPE, "resize", "another")
    digests.add(tokenizer_file.fingerprint(PLAIN, params))
    assert len(digests) == 4


def test_files_that_are_no_tokenizer_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    write_tokenizer(str(file), PLAIN, vqgan.init(PLAIN, 1), "test")
    whole = file.read_bytes()
    file.write_bytes(whole[:-4])
    with pytest.raises(DataCorruptError, match=r"a\.safetensors: truncated"):
        read_tokenizer(str(file))
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 64]))
    with pytest.raises(DataCorruptError, match=r"a.safetensors: its fingerprint is \w{16}, not \w{16}: copy it again"):
        read_tokenizer(str(file))
    file.write_bytes(whole)
    save_file(load_file(file), tmp_path / "b.safetensors")
    with pytest.raises(DataCorruptError, match=r"has no lwm\.config in its metadata"):
        read_tokenizer(f"{tmp_path}/b.safetensors")
    file.write_bytes(b"no safetensors")
    with pytest.raises(DataCorruptError, match="no safetensors file"):
        read_tokenizer(str(file))
    with pytest.raises(DataCorruptError, match="is a folder"):
        read_tokenizer(str(tmp_path))
    with pytest.raises(FileMissingError):
        read_tokenizer(f"{tmp_path}/none.safetensors")


def test_a_file_for_other_frames_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tokenizer(f"{tmp_path}/a.safetensors", PLAIN, vqgan.init(PLAIN, 1), "test")
    monkeypatch.setitem(FRAME_RECIPE, "resize", "another")
    with pytest.raises(DataCorruptError, match=r"was made for frames by .*bicubic.* but this version makes them by .*another"):
        read_tokenizer(f"{tmp_path}/a.safetensors")
