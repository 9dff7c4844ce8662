"""The tables of the second vocabulary, by both formats' names."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from lwm_trainer.convert.config_json import read_config
from lwm_trainer.convert.hf_read import HuggingFaceFolder
from lwm_trainer.convert.hf_write import to_hf_tensor
from lwm_trainer.convert.lwm_read import LwmFile
from lwm_trainer.convert.names import Parameter
from unit.lwm_trainer.convert.test_lwm_read import CONFIG, drawn, write

EMBEDDING = Parameter(("ends", "vision_embedding"), (16, 32), None)
HEAD = Parameter(("ends", "vision_head"), (32, 16), None)
TABLE = np.arange(512, dtype=np.float32)
WHOLE = (slice(0, 32), slice(0, 16))


def test_hugging_faces_vision_head_is_a_transpose_and_the_embedding_is_not(tmp_path: Path) -> None:
    tables = {"model.vision_embed_tokens.weight": TABLE.reshape(16, 32), "vision_lm_head.weight": TABLE.reshape(16, 32)}
    save_file(tables, tmp_path / "model.safetensors")
    source = HuggingFaceFolder(tmp_path)
    assert source.vision_vocab_size == 16
    np.testing.assert_array_equal(source.read(EMBEDDING, 0, (slice(4, 8), slice(0, 32))), TABLE.reshape(16, 32)[4:8])
    np.testing.assert_array_equal(source.read(HEAD, 0, WHOLE), TABLE.reshape(16, 32).T)
    for leaf, (name, table) in zip((EMBEDDING, HEAD), tables.items(), strict=True):
        assert leaf.name() == name
        whole = tuple(slice(0, size) for size in leaf.shape)
        np.testing.assert_array_equal(to_hf_tensor(leaf, source.read(leaf, 0, whole), table.dtype), table)


def test_lwms_tables_are_as_ours(tmp_path: Path) -> None:
    tables = {"transformer/vte/embedding": TABLE.reshape(16, 32), "vision_head/kernel": TABLE.reshape(32, 16)}
    source = LwmFile(write(tmp_path / "streaming_params", drawn(0) | tables))
    assert source.vision_vocab_size == 16
    np.testing.assert_array_equal(source.read(EMBEDDING, 0, (slice(0, 16), slice(8, 16))), TABLE.reshape(16, 32)[:, 8:16])
    np.testing.assert_array_equal(source.read(HEAD, 0, WHOLE), TABLE.reshape(32, 16))


def test_the_vocabulary_is_as_large_as_its_table() -> None:
    vision = read_config(Path(CONFIG), 16).model.vision
    assert vision is not None
    assert vision.vocab_size == 16
    assert read_config(Path(CONFIG)).model.vision is None
