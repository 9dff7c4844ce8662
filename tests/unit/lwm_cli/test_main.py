"""The command `lwm`: files as kubectl would apply them, and what is said of those that cannot be asked about."""

from pathlib import Path

import pytest

from lwm_cli import data_inspect
from lwm_cli import fit as module
from lwm_cli.__main__ import main
from lwm_cli.errors import FileError
from lwm_cli.fit import target_of
from lwm_cli.training import load, stages
from lwm_trainer.config import RunConfig, least_theta
from lwm_trainer.config.accelerator_families import GIB
from lwm_trainer.fit.compile.compile_result import CompileResult
from lwm_trainer.fit.compile.memory import DeviceMemory
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.fit.fit import FitResult

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
TEXT_RECIPE = EXAMPLES / "lwm-text-1m.yaml"


def test_each_stage_is_compiled_for_its_own_accelerator(tmp_path: Path) -> None:
    file = tmp_path / "two-slices.yaml"
    small = "accelerator: {type: tpu, tpu: {family: v4, topology: 4x4x8}}\n      mesh: {fsdp: 64, sp: 2}"
    file.write_text(TEXT_RECIPE.read_text().replace("mesh: {fsdp: 128, sp: 2, ulysses: 2}", small))
    training = load(file)
    targets = {stage.name: (run.mesh.size, target_of(training.spec.accelerator_of(stage))) for stage, run in stages(training, None)}
    assert targets["text-32k"] == (128, Target(platform="tpu", topology="v4:4x4x8"))
    assert targets["text-1m"] == (256, Target(platform="tpu", topology="v5p:4x8x8"))


def test_an_unknown_stage_is_answered_with_those_that_exist() -> None:
    with pytest.raises(FileError, match="--stage text-2m: no such stage: use one of text-32k, text-128k"):
        list(stages(load(TEXT_RECIPE), "text-2m"))


def test_what_the_operator_would_refuse_is_refused_with_its_words(tmp_path: Path) -> None:
    file = tmp_path / "text.yaml"
    file.write_text(TEXT_RECIPE.read_text().replace("{fsdp: 128, sp: 2, ulysses: 2}", "{fsdp: 64, sp: 2, ulysses: 2}"))
    with pytest.raises(FileError, match=r"spec.stages\[text-32k\].mesh: .* change the mesh"):
        load(file)


def test_a_file_without_a_training_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "none.yaml"
    file.write_text("kind: ConfigMap\n")
    assert main(["fit", str(file)]) == 2
    assert "holds 0 objects of kind LWMTraining" in capsys.readouterr().err
    assert main(["fit", str(tmp_path / "absent.yaml")]) == 2


def test_a_gpu_stage_is_arithmetic_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(EXAMPLES / "gpu-claim.yaml")]) == 0
    assert "cannot be compiled without a GPU" in capsys.readouterr().out


@pytest.mark.parametrize(("used", "code", "word"), [(50, 0, "fits"), (99, 1, "does NOT fit")])
def test_the_exit_code_says_whether_all_fits(
    used: int, code: int, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(run: RunConfig, target: Target, say: object) -> FitResult:
        memory = DeviceMemory(parameters=0, optimizer=0, batch=0, temporaries=used * GIB, used=used * GIB, host=0)
        return FitResult(run=run, target=target, compiled=CompileResult(seconds=1, mesh="", memory=memory), estimate=None, cached=False)

    monkeypatch.setattr(module, "fit", fit)
    assert main(["fit", str(TEXT_RECIPE), "--stage", "text-32k", "--search", "0", "--out", str(tmp_path)]) == code
    assert f"text-32k: {word}, {used}.00 GiB needed of 95.74 GiB" in capsys.readouterr().out
    assert word in (tmp_path / "fit.md").read_text()


def test_a_theta_below_the_bound_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "claim.yaml"
    file.write_text((EXAMPLES / "gpu-claim.yaml").read_text())
    training = load(file)
    low = [stage.name for stage in training.spec.stages if stage.rope_theta < least_theta(stage.context_length)]
    assert main(["fit", str(file)]) == 0
    errors = capsys.readouterr().err
    assert [f"spec.stages[{stage.name}].ropeTheta" in errors for stage in training.spec.stages] == [
        stage.name in low for stage in training.spec.stages
    ]


def test_no_command_is_told_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "lwm [OPTIONS] COMMAND" in capsys.readouterr().err
    assert main(["--help"]) == 0


def test_ctrl_c_is_one_line_and_the_exit_code_of_shells(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(data_inspect, "inspect_row", interrupted)
    assert main(["data", "inspect", "x.yaml"]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stauts"], "Did you mean 'status'?"),
        (["data", "prepair"], "Did you mean 'prepare'?"),
        (["eval", "needles"], "'needle', 'video-needle'"),
        (["status", "--jsn"], "'--json'"),
        (["fit", "a.yaml", "--serch", "2"], "'--search'"),
        (["fit", "a.yaml", "--search", "-5"], "-5 is not in the range"),
        (["fit"], "Missing argument 'FILE'"),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest_right_one(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
