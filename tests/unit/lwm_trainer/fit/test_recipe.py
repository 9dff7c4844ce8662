"""The recipe is the published one, and every stage of it makes sense on every family."""

from pathlib import Path

import pytest

from lwm_trainer.config import least_theta
from lwm_trainer.config.accelerator_families import GIB
from lwm_trainer.fit.compile.compile_result import CompileResult
from lwm_trainer.fit.compile.compiler import FitError, canonical
from lwm_trainer.fit.compile.memory import DeviceMemory
from lwm_trainer.fit.fit import FitResult
from lwm_trainer.fit.recipe import SLICES, STAGES, cases
from tools.docs import recipe_page

CHIPS = {"v4": (256, 512), "v5p": (256, 512), "v6e": (256, 512)}


def test_every_stage_stands_on_the_papers_number_of_chips_in_every_family() -> None:
    result = list(cases())
    assert len(result) == len(SLICES) * len(STAGES)
    for case in result:
        assert case.run.mesh.size == CHIPS[case.family][case.stage.vision]
        assert case.run.mesh.dp % case.run.gang.slices == 0
        assert (case.run.model.vision is not None) == case.stage.vision


def test_a_chat_stage_is_the_program_of_its_text_stage() -> None:
    programs = {(canonical(case.run).model_dump_json(), case.target) for case in cases()}
    assert len(programs) == len(SLICES) * sum(not stage.chat for stage in STAGES)


def test_the_papers_thetas_from_256k_on_are_below_the_published_bound() -> None:
    below = [stage.name for stage in STAGES if stage.rope_theta < least_theta(stage.context_length)]
    assert below == [stage.name for stage in STAGES if stage.name.endswith(("256k", "512k", "1m"))]


def answer(used: int) -> object:
    def fit(run: object, target: object, say: object) -> FitResult:
        memory = DeviceMemory(parameters=0, optimizer=0, batch=0, temporaries=used, used=used, host=0)
        return FitResult(run=run, target=target, compiled=CompileResult(seconds=1, mesh="", memory=memory), estimate=None, cached=False)  # type: ignore[arg-type]

    return fit


@pytest.mark.parametrize(("used", "code"), [(20 * GIB, 0), (31 * GIB, 1)])
def test_a_stage_that_does_not_fit_ends_with_1(
    used: int, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe_page, "fit", answer(used))
    assert recipe_page.main(["--family", "v4", "--stage", "text-32k"]) == code
    assert f"{used / GIB:.2f} GiB" in capsys.readouterr().out


def test_the_page_has_a_row_for_every_program_and_names_what_is_left_at_a_million_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe_page, "fit", answer(20 * GIB))
    assert recipe_page.main(["--docs", str(tmp_path)]) == 0
    page = (tmp_path / "recipe.md").read_text()
    assert "- v5p: fits, 20.00 GiB needed of 95.74 GiB, margin 75.74 GiB" in page
    for stage in STAGES:
        assert page.count(f"\n| {stage.name}") == (0 if stage.chat else len(SLICES))
    assert page.count("text-128k, chat |") == len(SLICES)
    assert page.count("(remat ") == 5


def test_of_what_no_compiler_was_asked_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_page, "fit", answer(20 * GIB))
    monkeypatch.setattr(recipe_page, "is_cached", lambda run, target: target.family == "v4")
    assert recipe_page.main(["--cached-only", "--docs", str(tmp_path)]) == 0
    page = (tmp_path / "recipe.md").read_text()
    assert "- v6e: not compiled\n" in page
    assert "20 of 30 programs were not compiled for this page" in page
    assert page.count("| not compiled ") == 2 * sum(not stage.chat for stage in STAGES)
    assert page.count("| 20.00 GiB of 30.75 GiB ") == sum(not stage.chat for stage in STAGES) + 6


def test_a_compiler_that_fails_is_named_and_ends_with_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(run: object, target: object, say: object) -> FitResult:
        raise FitError("the compiler ended with signal 11")

    monkeypatch.setattr(recipe_page, "fit", fails)
    assert recipe_page.main(["--family", "v4", "--stage", "text-32k"]) == 1
    assert "1 of 1: v4 text-32k: the compiler ended with signal 11" in capsys.readouterr().err
