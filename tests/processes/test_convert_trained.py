"""What a training saved from eight devices is exported as it stands."""

from pathlib import Path

import jax
import numpy as np

from lwm_trainer.checkpoint.checkpointer import Saver
from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.config import Checkpoint, Mesh, step_folder
from lwm_trainer.convert.__main__ import main
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.step.train_step import make_program
from support.builders import a_run
from unit.lwm_trainer.convert.test_round_trip import tensors


def test_a_trainings_checkpoint_becomes_a_hugging_face_folder(tmp_path: Path) -> None:
    run = a_run(mesh=Mesh(fsdp=4, tp=2), checkpoint=Checkpoint(root=str(tmp_path / "runs"), save_interval_steps=1))
    program = make_program(run, make_mesh(run.mesh))
    state = program.init(jax.random.key(5))
    saver = Saver(run, run.mesh, "sha")
    saver.save(1, state, Record.empty(run.steps))
    saver.wait()
    saver.close()
    assert main(["to-hf", step_folder(run.attempt_folder(), 1), str(tmp_path / "out")]) == 0
    exported, params = tensors(tmp_path / "out"), state["params"]
    assert len(exported) == 3 + 9 * run.model.layers
    np.testing.assert_array_equal(exported["lm_head.weight"], np.asarray(params["ends"]["head"]).T)
    for layer in range(run.model.layers):
        query, output = (np.asarray(params["layers"]["attention"][name][layer]) for name in ("query", "output"))
        name = f"model.layers.{layer}.self_attn"
        np.testing.assert_array_equal(exported[f"{name}.q_proj.weight"], query.reshape(64, 64).T)
        np.testing.assert_array_equal(exported[f"{name}.o_proj.weight"], output.reshape(64, 64).T)
