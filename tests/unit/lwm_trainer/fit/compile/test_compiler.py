"""Which stages are one program, and that the compiler is asked once for each."""

from pathlib import Path
from typing import Any

import pytest

from lwm_trainer.config import RunConfig
from lwm_trainer.fit.compile import compiler as module
from lwm_trainer.fit.compile.compile_result import CompileResult
from lwm_trainer.fit.compile.compiler import FitError, canonical, compile_step
from lwm_trainer.fit.compile.target import Target
from support.builders import a_run

CPU = Target(platform="cpu")


def run(**changes: Any) -> RunConfig:
    return a_run(**{"mesh": {"fsdp": 2, "sp": 4, "ulysses": 1}, "batch_tokens": 512, **changes})


def test_names_data_theta_and_rates_do_not_make_another_program() -> None:
    other = run(stage="chat", rope_theta=5e7, steps=99, seed=7, optimizer={"peak_learning_rate": 8e-5}, tokenizer="/other.json")
    assert canonical(other) == canonical(run())


@pytest.mark.parametrize(
    "change",
    [{"memory": {"remat": "full"}}, {"batch_tokens": 1024}, {"context_length": 128}, {"mesh": {"fsdp": 4, "tp": 2, "ulysses": 1}}],
)
def test_shapes_mesh_and_memory_do(change: dict[str, Any]) -> None:
    assert canonical(run(**change)) != canonical(run())


@pytest.mark.parametrize("change", [{"name": "muon"}, {"name": "adafactor", "beta1": 0.0}, {"ema_decay": 0.9}])
def test_what_the_optimizer_keeps_makes_another_program(change: dict[str, Any]) -> None:
    assert canonical(run(optimizer=change)) != canonical(run())
    assert canonical(run(optimizer=change | {"peak_learning_rate": 0.5})) == canonical(run(optimizer=change))


def test_the_compiler_is_asked_once_and_again_for_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[str] = []

    def ask(request: str, say: object) -> CompileResult:
        requests.append(request)
        return CompileResult(seconds=1.0, mesh="fsdp 2")

    monkeypatch.setattr(module, "_run_worker", ask)
    answers = [compile_step(each, CPU, print, cache=tmp_path) for each in (run(), run(stage="chat"), run(memory={"remat": "full"}))]
    assert [known for _, known in answers] == [False, True, False]
    assert len(requests) == 2


def test_a_machine_without_libtpu_is_told_which_extra_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FitError, match=r"extra `fit` \(pip install 'lwm-operator\[fit\]'\)"):
        compile_step(run(), Target(platform="tpu", topology="v5e:2x2"), print, cache=tmp_path)


def test_a_child_that_dies_is_told_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(FitError, match="exit code 1 and no answer"):
        compile_step(run(), CPU, print, cache=tmp_path)
    assert not list(tmp_path.iterdir())
