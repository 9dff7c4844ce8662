"""The sample is a training that local mode takes as it is."""

from pathlib import Path

import pytest

from lwm_cli.__main__ import main
from lwm_cli.local.manifest import Options, load_local, local_problems
from lwm_trainer.data.encoding.tokenizer import Tokenizer


def test_the_sample_is_complete_and_the_same_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert main(["data", "sample", str(folder)]) == 0
        contents.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    assert contents[0] == contents[1]
    assert f"lwm train {tmp_path}/b/training.yaml" in capsys.readouterr().out
    spec = load_local(tmp_path / "a" / "training.yaml", Options(), None).spec
    assert local_problems(spec) == []
    tokenizer = Tokenizer.load(str(spec.tokenizer.uri), spec.model.vocab_size)
    assert tokenizer.decode(tokenizer.tokenize(["import sys"])[0].tolist()) == "import sys"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["data", "sample", str(tmp_path / "file" / "below")]) == 2
    assert "give a folder that may be written" in capsys.readouterr().err
