"""`lwm init` over models, accelerators and kinds: what it writes is read back as an LWMTraining by every check that there is."""

import json
from pathlib import Path

import pytest

from lwm_cli.__main__ import main
from lwm_cli.errors import FileError
from lwm_cli.init.command import parse_length
from lwm_cli.local.manifest import Options, load_local
from lwm_cli.training import load, stages
from lwm_operator.api.training import Training
from lwm_trainer.config.accelerator_families import GIB
from lwm_trainer.fit.estimate.memory_estimate import estimate_memory

PLACES = ["--data", "gs://my-bucket/books", "--tokenizer", "gs://my-bucket/t/tokenizer.json", "--checkpoints", "gs://my-bucket/runs"]
IMPORTED = ["--init-from", "gs://my-bucket/imported"]


def written(tmp_path: Path, *words: str) -> Training:
    file = tmp_path / "training.yaml"
    assert main(["init", *words, *PLACES, "--out", str(file), "--force"]) == 0
    return load(file)


@pytest.mark.parametrize("kind", ["text", "chat", "vision"])
@pytest.mark.parametrize("accelerator", ["cpu", "cpu-4", "8xH100", "16xA100", "v6e-8", "v5p-16", "v7x:2x2x1"])
def test_a_tiny_model_of_every_kind_on_every_platform_is_a_valid_training(accelerator: str, kind: str, tmp_path: Path) -> None:
    training = written(tmp_path, "--model", "tiny", "--accelerator", accelerator, "--kind", kind)
    assert [stage.context_length for stage in training.spec.stages] == ([512, 2048] if kind == "vision" else [128, 512])
    assert {dataset.kind for dataset in training.spec.datasets} == {kind}


@pytest.mark.parametrize(
    ("model", "accelerator", "kind", "length", "lengths"),
    [
        ("llama2-7b", "v5p-32", "text", "128k", [32768, 131072]),
        ("llama2-7b", "16xH100", "text", "64k", [32768, 65536]),
        ("llama3-8b", "8xH200", "text", "32k", [32768]),
        ("llama3-8b", "v6e-64", "chat", "32k", [32768]),
        ("lwm-7b", "v5p-16", "vision", "8k", [1024, 8192]),
        ("lwm-7b", "v5p:2x4x4", "chat", "128k", [32768, 131072]),
    ],
)
def test_a_known_model_gets_lwms_lengths_and_meshes_that_fit_by_the_estimate(
    model: str, accelerator: str, kind: str, length: str, lengths: list[int], tmp_path: Path
) -> None:
    words = ["--model", model, "--accelerator", accelerator, "--kind", kind, "--target-length", length, *IMPORTED]
    training = written(tmp_path, *words)
    assert [stage.context_length for stage in training.spec.stages] == lengths
    thetas = [stage.rope_theta for stage in training.spec.stages]
    assert thetas == sorted(thetas)
    room = {"v5": 95.74, "v6": 31.25}.get(accelerator[:2], 80 if "H100" in accelerator else 141) * GIB
    for _, run in stages(training, None):
        assert estimate_memory(run).total < room


def test_a_hugging_face_folder_is_read(tmp_path: Path) -> None:
    sizes = {"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 8, "num_key_value_heads": 2, "intermediate_size": 512}
    about = {"vocab_size": 1000, "rms_norm_eps": 1e-6, "rope_theta": 12345.0, "max_position_embeddings": 512}
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], **sizes, **about}))
    words = ["--model", str(tmp_path), "--accelerator", "cpu-2", "--target-length", "512", "--from-scratch"]
    training = written(tmp_path, *words)
    model = training.spec.model
    assert (model.layers, model.width, model.kv_heads, model.vocab_size, model.norm_epsilon) == (4, 256, 2, 1000, 1e-6)
    assert [stage.rope_theta for stage in training.spec.stages] == [12345.0], "within its own context"
    assert model.init_from is None


def test_paths_are_for_local_mode_and_the_file_says_how_it_was_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--data", "file:texts", "--tokenizer", "file:tokenizer.json", "--checkpoints", "file:ckpt"]
    assert main(["init", "--model", "tiny", "--accelerator", "cpu-2", *places]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# lwm init --model tiny --accelerator cpu-2 --kind text --target-length 512\n")
    assert "lwm fit FILE" in text
    file = tmp_path / "a.yaml"
    file.write_text(text)
    assert load_local(file, Options(), None).spec.checkpoint.uri == f"{tmp_path}/ckpt"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--model", "llama9", "--accelerator", "cpu"],
            "--model llama9: give one of llama2-7b, llama3-8b, lwm-7b, tiny, or a Hugging Face",
        ),
        (["--model", "llama2-7b", "--accelerator", "cpu"], "--init-from is missing: name the step folder"),
        (["--model", "tiny", "--accelerator", "v5p-100"], "--accelerator v5p-100: there is no such slice: use v5p-32, v5p-64, v5p-128"),
        (["--model", "tiny", "--accelerator", "v5p:3x3x3"], "v5p has no topology 3x3x3: 2x2x1"),
        (["--model", "tiny", "--accelerator", "v7x-64"], "name the topology of v7x"),
        (["--model", "tiny", "--accelerator", "12xH100"], "hosts have 8 GPUs"),
        (["--model", "tiny", "--accelerator", "8xK80"], "the memory of K80 is not known here: use one of A100, H100"),
        (["--model", "tiny", "--accelerator", "moon"], "write a TPU as v5p-128 or v5p:4x4x4, GPUs as 8xH100, CPU devices as cpu-4"),
        (["--model", "tiny", "--accelerator", "cpu", "--target-length", "1g"], "--target-length 1g: give a number of tokens from 64"),
        (["--model", "llama2-7b", "--accelerator", "8xH100", *IMPORTED], "use more devices, or a smaller --target-length"),
        (["--model", "tiny", "--accelerator", "cpu", *IMPORTED, "--from-scratch"], "give --init-from or --from-scratch, not both"),
        (["--model", "tiny", "--accelerator", "cpu", "--name", "A b"], "the file would be refused, line"),
    ],
)
def test_wrong_facts_are_named_with_the_fix(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", *words, *PLACES]) == 2
    output = capsys.readouterr()
    assert message in output.err
    assert output.out == ""


def test_a_file_that_exists_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("mine")
    assert main(["init", "--model", "tiny", "--accelerator", "cpu", *PLACES, "--out", str(file)]) == 2
    assert "the file exists: give another name, or --force" in capsys.readouterr().err
    assert file.read_text() == "mine"


@pytest.mark.parametrize(("text", "length"), [("32768", 32768), ("128k", 131072), ("1M", 1048576), ("16m", 16777216)])
def test_lengths_may_have_units(text: str, length: int) -> None:
    assert parse_length(text) == length


@pytest.mark.parametrize("text", ["", "0", "-1", "63", "17m", "1.5m", "k"])
def test_other_lengths_are_refused(text: str) -> None:
    with pytest.raises(FileError, match="--target-length"):
        parse_length(text)
