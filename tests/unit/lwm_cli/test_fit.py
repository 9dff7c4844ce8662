"""`lwm fit` with a compiler of arithmetic, and `--serve`; what compiles is tested with the TPU compiler."""

from functools import partial
from pathlib import Path

import pytest

from lwm_cli import fit as module
from lwm_cli.__main__ import main
from lwm_cli.training import load
from lwm_trainer.config import Memory, RunConfig
from lwm_trainer.fit.compile.compile_result import CompileResult
from lwm_trainer.fit.compile.memory import DeviceMemory
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.fit.estimate.step_time import estimate_step_time
from lwm_trainer.fit.fit import FitResult, with_resolved_mesh
from quickstart.options import EXAMPLE
from support.builders import a_run, tpus

MILLION = str(EXAMPLE.parent / "lwm-text-1m.yaml")


def test_a_stage_is_said_to_fit_with_few_rows_and_not_with_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", MILLION, "--stage", "text-1m", "--serve", "1"]) == 0
    assert "## text-1m: v5p 4x8x8, 1048576 tokens, 1 row: fits" in (output := capsys.readouterr().out)
    assert "cache 2.00 GiB" in output
    assert main(["fit", MILLION, "--stage", "text-1m", "--serve", "1000"]) == 1
    assert "1000 rows: does not fit: fewer rows, or a larger slice" in capsys.readouterr().out


def test_what_cannot_be_said_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(EXAMPLE.parent / "laptop.yaml"), "--serve", "1"]) == 2
    assert "its accelerator is no TPU" in capsys.readouterr().err
    assert main(["fit", MILLION, "--serve", "1", "--out", str(tmp_path)]) == 2
    assert "leave --out, --search and --price out" in capsys.readouterr().err


def compiled(run: RunConfig, target: Target, log: object, share: float = 0.5) -> FitResult:
    """A result that needs that share of a device's memory."""
    used = int(share * (target.available_bytes or 0))
    memory = DeviceMemory(parameters=0, optimizer=0, batch=0, temporaries=used, used=used, host=0)
    family = target.tpu_family
    assert family is not None
    run = with_resolved_mesh(run)
    result = CompileResult(seconds=0, mesh="", memory=memory)
    return FitResult(run=run, target=target, compiled=result, estimate=estimate_step_time(run, family.device), cached=False)


def test_a_report_has_hours_price_sums_and_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "fit", partial(compiled, share=0.9))
    assert main(["fit", MILLION, "--price", "4.2", "--out", str(tmp_path / "out")]) == 0
    pages = capsys.readouterr().out
    assert pages.count("The stage: ") == pages.count("chip-hours (") - 1 == len(load(Path(MILLION)).spec.stages)
    assert "; the estimate is good to a factor of 2." in pages
    assert "stages whose time is estimated: " in pages
    assert "stages whose time is estimated: " in (tmp_path / "out" / "fit.md").read_text()


def test_without_an_estimated_time_a_price_is_said_to_mean_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(EXAMPLE.parent / "gpu-claim.yaml"), "--price", "4.2"]) == 0
    assert "--price: the time of a step is estimated for TPUs alone" in capsys.readouterr().err


def test_free_memory_is_advised_to_be_used() -> None:
    run = a_run(gang=tpus(4), mesh={"sp": 4, "ulysses": 1}, context_length=8192, batch_tokens=16384, memory=Memory(remat="full"))
    v5e = Target(platform="tpu", topology="v5e:2x2")
    advice = module.faster_advice(compiled(run, v5e, None, share=0.3))
    assert "of a device stay free. By arithmetic these settings fit, too" in advice
    assert "They have not been compiled" in advice
    assert "```yaml\nmesh: {" in advice
    assert module.faster_advice(compiled(run, v5e, None, share=0.9)) == ""


def test_nothing_is_compiled_for_a_folder_that_may_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "fit", None)
    (tmp_path / "file").touch()
    assert main(["fit", MILLION, "--out", str(tmp_path / "file" / "out")]) == 2
    assert "give a folder that may be written" in capsys.readouterr().err


def test_a_warning_stands_with_its_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "fit", partial(compiled, share=0.9))
    first, second = [stage.name for stage in load(Path(MILLION)).spec.stages[:2]]
    doubts = ("spec.podTemplate: a", f"spec.stages[{first}].ropeTheta: b", f"spec.stages[{second}].ropeTheta: c")
    monkeypatch.setattr(module, "warnings", lambda _: doubts)
    assert main(["fit", MILLION, "--stage", second]) == 0
    shown = capsys.readouterr()
    assert shown.err == "warning: spec.podTemplate: a\n"
    assert "warning: spec.stages" in shown.out
    assert first not in shown.out


def test_the_smallest_change_and_the_fastest_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def search(run: RunConfig, target: Target, log: object, **_: object) -> list[FitResult]:
        small = run.model_copy(update={"memory": run.memory.model_copy(update={"gradient_accumulation_steps": 2})})
        return [
            compiled(small, target, log),
            compiled(small.model_copy(update={"mesh": run.mesh.model_copy(update={"dp": 9})}), target, log),
        ]

    monkeypatch.setattr(module, "fit", partial(compiled, share=1.5))
    monkeypatch.setattr(module, "search", search)
    assert main(["fit", MILLION, "--stage", load(Path(MILLION)).spec.stages[0].name]) == 1
    out = capsys.readouterr().out
    assert out.index("The smallest change that fits, predicted") < out.index("The fastest of those that fit, predicted")
