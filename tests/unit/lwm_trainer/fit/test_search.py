"""Which candidates are compiled, with a compiler of arithmetic."""

from collections.abc import Callable

import pytest

from lwm_trainer.config import Memory, Mesh, RunConfig
from lwm_trainer.config.accelerator_families import GIB
from lwm_trainer.fit import search as module
from lwm_trainer.fit.compile.compile_result import CompileResult, Refusal
from lwm_trainer.fit.compile.memory import DeviceMemory
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.fit.estimate.memory_estimate import estimate_memory
from lwm_trainer.fit.estimate.step_time import estimate_step_time
from lwm_trainer.fit.fit import FitResult
from lwm_trainer.fit.nearby import GAIN, is_small_change
from lwm_trainer.fit.search import search, yaml_snippet
from support.builders import a_run, tpus

V5E = Target(platform="tpu", topology="v5e:4x4")
RUN = a_run(
    gang=tpus(16),
    mesh={"fsdp": 4, "sp": 4, "ulysses": 1},
    model={
        "layers": 16,
        "width": 2048,
        "heads": 16,
        "kv_heads": 16,
        "head_dim": 128,
        "mlp_width": 8192,
        "vocab_size": 32000,
    },
    precision={"compute": "bfloat16"},
    context_length=65536,
    batch_tokens=8 * 65536,
)


def compiler(needed: Callable[[RunConfig], int | Refusal]) -> Callable[..., FitResult]:
    def fit(run: RunConfig, target: Target, say: object, *, cache: object = None) -> FitResult:
        result = needed(run)
        refusal = result if isinstance(result, Refusal) else None
        memory = (
            DeviceMemory(parameters=0, optimizer=0, batch=0, temporaries=result, used=result, host=0) if isinstance(result, int) else None
        )
        return FitResult(
            run=run, target=target, compiled=CompileResult(seconds=0, mesh="", memory=memory, refusal=refusal), estimate=None, cached=False
        )

    return fit


def refused(space: str) -> Refusal:
    return Refusal.model_validate({"space": space, "needed_bytes": 99 * GIB, "available_bytes": GIB, "message": "no"})


def test_the_search_ends_at_the_first_that_fits_and_each_try_is_guessed_to_need_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fit", compiler(lambda run: 3 * estimate_memory(run).total))
    tried = list(search(RUN, V5E, lambda message: None, limit=20))
    assert len(tried) > 1
    assert [each.fits for each in tried] == [False] * (len(tried) - 1) + [True]
    sizes = [estimate_memory(each.run).total for each in tried]
    assert sizes == sorted(sizes, reverse=True)


def test_the_smallest_change_comes_first_and_then_the_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RUN.model_copy(update={"memory": Memory(remat="attention")})
    available = V5E.available_bytes or 0
    needed = int(1.2 * available)
    scale = needed / estimate_memory(run).total
    monkeypatch.setattr(module, "fit", compiler(lambda run: int(scale * estimate_memory(run).total)))
    first, *others = search(run, V5E, lambda message: None, needed=needed, limit=20)
    assert first.fits
    assert is_small_change(run, first.run)
    seconds = [estimate_step_time(each.run, V5E.tpu_family.device).seconds for each in (first, *others)]  # type: ignore[union-attr]
    assert all(each < GAIN * seconds[0] for each in seconds[1:])
    assert not any(each.fits for each in others[:-1])


def test_it_gives_up_after_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fit", compiler(lambda run: refused("hbm")))
    assert [each.fits for each in search(RUN, V5E, lambda message: None, limit=2)] == [False, False]


def test_a_kernel_without_room_passes_over_its_split_and_not_over_all_that_need_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    first: list[Mesh] = []

    def needed(run: RunConfig) -> int | Refusal:
        first.append(run.mesh)
        return refused("smem") if run.mesh.ring == first[0].ring and run.mesh.ulysses == first[0].ulysses else GIB

    monkeypatch.setattr(module, "fit", compiler(needed))
    tried = list(search(RUN, V5E, lambda message: None))
    assert len(tried) == 2
    assert tried[-1].fits
    assert (tried[0].run.mesh.ring, tried[0].run.mesh.ulysses) != (tried[1].run.mesh.ring, tried[1].run.mesh.ulysses)


def test_the_snippet_is_what_a_stage_has() -> None:
    run = RUN.model_copy(update={"memory": Memory(remat="full", gradient_accumulation_steps=2)})
    assert yaml_snippet(run) == "mesh: {fsdp: 4, sp: 4, ulysses: 1}\nmemory: {remat: full, gradientAccumulationSteps: 2}"
    assert yaml_snippet(RUN) == "mesh: {fsdp: 4, sp: 4, ulysses: 1}\nmemory: {remat: attention}", "in place of a stage's own memory"
