from pathlib import Path

import pytest

from lwm_trainer.config.accelerator_families import TPU_FAMILIES
from lwm_trainer.fit.compile.compile_result import CompileResult, Refusal
from lwm_trainer.fit.compile.memory import DeviceMemory
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.fit.estimate.step_time import estimate_step_time
from lwm_trainer.fit.fit import FitResult
from lwm_trainer.fit.report.plot import group_parts, plot_fits
from support.builders import a_run, tpus

RUN = a_run(gang=tpus(8), mesh={"sp": 8, "ulysses": 1})
MEMORY = DeviceMemory(parameters=1, optimizer=2, batch=3, temporaries=4, used=10, host=0)
REFUSAL = Refusal(space="hbm", needed_bytes=2, available_bytes=1, message="no room")

V5P = Target(platform="tpu", topology="v5p:2x2x2")


def a_fit(target: Target = V5P, *, refused: bool = False) -> FitResult:
    measured = CompileResult(seconds=1, mesh="", refusal=REFUSAL) if refused else CompileResult(seconds=1, mesh="", memory=MEMORY)
    return FitResult(run=RUN, target=target, compiled=measured, estimate=estimate_step_time(RUN, TPU_FAMILIES["v5p"].device), cached=False)


def test_a_picture_is_written(tmp_path: Path) -> None:
    assert plot_fits([("32K", a_fit()), ("1M", a_fit(refused=True))], tmp_path / "fits.png")
    assert (tmp_path / "fits.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("result", [a_fit(refused=True), a_fit(Target(platform="cpu"))])
def test_what_was_refused_or_has_no_known_memory_is_not_drawn(result: FitResult, tmp_path: Path) -> None:
    assert not plot_fits([("32K", result)], tmp_path / "fits.png")
    assert not (tmp_path / "fits.png").exists()


def test_what_is_small_in_every_bar_is_drawn_as_other_and_no_second_is_lost() -> None:
    result = group_parts([{"matmul": 99.5, "loss": 0.4, "optimizer": 0.1}, {"matmul": 1.0, "loss": 1.0}])
    assert result == [{"matmul": 99.5, "loss": 0.4, "other": 0.1}, {"matmul": 1.0, "loss": 1.0, "other": 0}]
    assert group_parts([{"a": 1.0, "b": 0.0}]) == [{"a": 1.0}]
