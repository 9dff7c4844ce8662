"""What a checkpoint is restored onto, and what is refused."""

from pathlib import Path

import jax
import numpy as np
import pytest

from lwm_trainer.checkpoint.checkpointer import Saver, restore_all
from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.config import DataIdentity
from lwm_trainer.runtime.errors import CheckpointMismatchError
from lwm_trainer.step.train_step import State
from support.builders import a_run

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
