"""What a checkpoint is restored onto, what is refused, and that every optimizer goes on from it as if nothing had been."""

import shutil
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

from lwm_trainer.checkpoint.checkpointer import Saver, read_record, restore_all
from lwm_trainer.checkpoint.manifest import restore_items
from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.config import DataIdentity
from lwm_trainer.model.llama import Params
from lwm_trainer.runtime.errors import CheckpointMismatchError
from lwm_trainer.step import optimizer as optimizer_module
from lwm_trainer.step.optimizer import make_optimizer
from lwm_trainer.step.train_step import State, make_program
from support.builders import a_run, a_step_report
from support.tiny_models import one_device_mesh, random_params

TOKENIZER = "0" * 64


@pytest.mark.parametrize("steps", [2, 9])
def test_a_stage_does_not_go_on_with_another_number_of_steps(steps: int, tmp_path: Path) -> None:
    run = a_run(checkpoint={"root": str(tmp_path), "save_interval_steps": 1})
    state = State(params={"w": np.ones(3, np.float32)}, optimizer={"m": np.ones(3, np.float32)})
    saver = Saver(run, run.mesh, TOKENIZER)
    saver.save(1, state, Record.empty(run.steps))
    assert saver.wait() == 1
    saver.close()
    abstract = State(params=jax.eval_shape(lambda: state["params"]), optimizer=jax.eval_shape(lambda: state["optimizer"]))
    data: DataIdentity = {}
    restored, record, _ = restore_all(run, TOKENIZER, f"{run.attempt_folder()}/1", 1, abstract, data)
    np.testing.assert_array_equal(restored["params"]["w"], state["params"]["w"])
    assert len(record.losses) == run.steps
    other = run.model_copy(update={"steps": steps})
    with pytest.raises(
        CheckpointMismatchError, match=f"/1: steps is {run.steps} in the checkpoint, but {steps} in this run: use the number"
    ):
        restore_all(other, TOKENIZER, f"{run.attempt_folder()}/1", 1, abstract, data)


def test_timings_are_kept_beside_the_record_and_a_checkpoint_without_them_is_read(tmp_path: Path) -> None:
    run = a_run(checkpoint={"root": str(tmp_path), "save_interval_steps": 1})
    record = Record.empty(run.steps)
    record.add(a_step_report(1, seconds=2.5, batch_tokens=500, finished_at=1_800_000_000.5))
    saver = Saver(run, run.mesh, TOKENIZER)
    saver.save(1, State(params={"w": np.ones(3, np.float32)}, optimizer={"m": np.ones(3, np.float32)}), record)
    saver.wait()
    saver.close()
    folder = Path(run.attempt_folder(), "1")
    timings = read_record(str(folder), run.steps).measurements
    assert [timings.seconds.tolist(), timings.tokens.tolist()] == [[2.5, 0.0, 0.0], [500, 0, 0]]
    assert timings.finished_at.tolist() == [1_800_000_000, 0, 0]
    of_older = restore_items(str(folder), timings=ocp.args.StandardRestore()).timings
    older = {name: of_older[name] for name in ("seconds", "tokens", "finished_at")}
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        checkpointer.save(tmp_path / "older", args=ocp.args.Composite(timings=ocp.args.StandardSave(older)))
    shutil.rmtree(folder / "timings")
    shutil.copytree(tmp_path / "older" / "timings", folder / "timings")
    restored = read_record(str(folder), run.steps).measurements
    assert (restored.seconds.tolist(), restored.arrays["param_norm"].tolist()) == ([2.5, 0.0, 0.0], [0.0, 0.0, 0.0])
    shutil.rmtree(folder / "timings")
    before = read_record(str(folder), run.steps)
    assert before.hash() == record.hash()
    assert before.measurements.seconds.tolist() == [0.0, 0.0, 0.0]


SMALL = {"layers": 1, "width": 8, "heads": 2, "kv_heads": 1, "head_dim": 4, "mlp_width": 8, "vocab_size": 16}


@pytest.fixture(scope="module")
def device_mesh() -> jax.sharding.Mesh:
    return one_device_mesh()


@pytest.mark.parametrize("name", ["adamw", "adafactor", "muon"])
def test_each_optimizer_goes_on_bit_for_bit_from_a_checkpoint(
    name: str, device_mesh: jax.sharding.Mesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimizer_module, "ADAFACTOR_SMALLEST", 4)
    fields = {"name": name, "schedule": "wsd", "skip_spikes": {"factor": 2.0, "window": 2}, "ema_decay": 0.5}
    run = a_run(model=SMALL, steps=5, optimizer=fields, checkpoint={"root": str(tmp_path), "save_interval_steps": 1})
    program = make_program(run, device_mesh)
    optimizer = make_optimizer(run.optimizer, run.steps)

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def step(state: State, gradients: Params) -> State:
        updates, new = optimizer.update(gradients, state["optimizer"], state["params"])
        params = optax.apply_updates(state["params"], updates)
        return State(params=params, optimizer=new, ema=optax.incremental_update(params, state["ema"], 0.5))

    gradients = random_params(run.model, device_mesh, 1)
    begun = random_params(run.model, device_mesh)
    state = State(params=begun, optimizer=optimizer.init(begun), ema=begun)
    for _ in range(2):
        state = step(state, gradients)
    saver = Saver(run, run.mesh, TOKENIZER)
    saver.save(2, state, Record.empty_of(run))
    saver.wait()
    saver.close()
    restored, record, _ = restore_all(run, TOKENIZER, f"{run.attempt_folder()}/2", 2, program.abstract_state, {})
    assert record.skipped.tolist() == [0] * 5
    spike = jax.tree.map(lambda x: 10 * x, gradients)
    for each in (spike, gradients):
        state, restored = step(state, each), step(restored, each)
        if each is spike:
            assert int(restored["optimizer"].skipped) == 1
    jax.tree.map(np.testing.assert_array_equal, restored, state)
    other = run.model_copy(update={"optimizer": run.optimizer.model_copy(update={"ema_decay": None})})
    with pytest.raises(
        CheckpointMismatchError, match=r"/2: optimizer\.emaDecay is set in the checkpoint, but not set in this run: use the setting that"
    ):
        restore_all(other, TOKENIZER, f"{run.attempt_folder()}/2", 2, program.abstract_state, {})
