"""What the quickstart reads back is what a trainer's checkpoint holds."""

from pathlib import Path

import numpy as np

from lwm_trainer.checkpoint.checkpointer import Saver
from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.step.train_step import State
from quickstart.report import write_report
from quickstart.results import read_stage
from simulation import builders
from support.builders import a_run, a_step_report


def test_a_stage_is_read_from_its_final_checkpoint(tmp_path: Path) -> None:
    run = a_run(checkpoint={"root": str(tmp_path), "save_interval_steps": 1})
    record = Record.empty(run.steps)
    for step, loss in enumerate((7.5, 6.25, 5.125)):
        record.add(a_step_report(step + 1, loss=loss, grad_norm=0.5 + step, tokens_hash=1000 + step))
    saver = Saver(run, run.mesh, "0" * 64)
    saver.save(run.steps, State(params={"w": np.ones(3, np.float32)}, optimizer={"m": np.ones(3, np.float32)}), record)
    assert saver.wait() == run.steps
    saver.close()

    stage = read_stage(f"{run.attempt_folder()}/{run.steps}")
    assert (stage.name, stage.context_length, stage.rope_theta) == (run.stage, run.context_length, run.rope_theta)
    assert stage.losses.tolist() == [7.5, 6.25, 5.125]
    assert stage.grad_norms.tolist() == [0.5, 1.5, 2.5]
    assert stage.tokens_hash.tolist() == [1000, 1001, 1002]

    body = builders.body()
    body["spec"]["stages"][0]["name"] = run.stage
    write_report(body, [stage], tmp_path / "pages" / "report.html")
    page = (tmp_path / "pages" / "report.html").read_text()
    assert f"{run.stage}" in page
    assert "7.5000" in page
