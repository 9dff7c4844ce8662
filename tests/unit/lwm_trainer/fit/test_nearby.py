"""Settings near those of a stage, by arithmetic."""

from lwm_trainer.config import Memory, RunConfig
from lwm_trainer.config.accelerator_families import TPU_FAMILIES
from lwm_trainer.fit.estimate.memory_estimate import estimate_memory
from lwm_trainer.fit.estimate.step_time import estimate_step_time
from lwm_trainer.fit.nearby import GAIN, faster_settings, is_small_change, small_changes
from support.builders import a_run, tpus

DEVICE = TPU_FAMILIES["v5e"].device
MODEL = {"layers": 16, "width": 2048, "heads": 16, "kv_heads": 16, "head_dim": 128, "mlp_width": 8192, "vocab_size": 32000}


def run_with(remat: str) -> RunConfig:
    return a_run(
        gang=tpus(4),
        mesh={"sp": 4, "ulysses": 1},
        model=MODEL,
        precision={"compute": "bfloat16"},
        context_length=65536,
        batch_tokens=2 * 65536,
        memory=Memory.model_validate({"remat": remat}),
    )


def test_each_small_change_changes_one_setting_and_should_fit_the_fastest_first() -> None:
    run = run_with("none")
    needed = 4 * estimate_memory(run).total
    available = int(0.7 * needed)
    changes = small_changes(run, DEVICE, needed, available)
    assert len(changes) > 1
    assert all(is_small_change(run, each) and not each.violations() for each in changes)
    assert all(4 * estimate_memory(each).total <= available for each in changes)
    seconds = [estimate_step_time(each, DEVICE).seconds for each in changes]
    assert seconds == sorted(seconds)
    assert small_changes(run, DEVICE, needed, 1) == []
    assert not is_small_change(run, run)


def test_faster_settings_are_faster_and_leave_room() -> None:
    run = run_with("full")
    used = estimate_memory(run).total
    faster = faster_settings(run, DEVICE, used, 20 * used)
    assert faster is not None
    assert estimate_step_time(faster, DEVICE).seconds <= GAIN * estimate_step_time(run, DEVICE).seconds
    assert faster_settings(run, DEVICE, used, used // 100) is None
