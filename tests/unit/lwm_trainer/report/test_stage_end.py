"""The page that a stage leaves beside its final checkpoint."""

import re
from pathlib import Path

import numpy as np

from lwm_trainer.checkpoint.checkpointer import Saver
from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.config import PositionLoss, ValidationLoss
from lwm_trainer.evaluation.results import results
from lwm_trainer.evaluation.run_suite import Answer
from lwm_trainer.evaluation.suite import Key
from lwm_trainer.evaluation.suites.json_kv import JsonKvSettings, JsonKvSuite
from lwm_trainer.report.stage_end import write_stage_report
from lwm_trainer.step.train_step import State
from support.builders import a_run, a_step_report
from support.letter_tokens import tokenize


def test_it_has_losses_held_out_losses_and_what_the_gate_asked(tmp_path: Path) -> None:
    run = a_run(checkpoint={"root": str(tmp_path), "save_interval_steps": 1})
    record = Record.empty(run.steps)
    for step in range(run.steps):
        record.add(a_step_report(step + 1, loss=7.5 - step))
    positions = (PositionLoss(end=1, loss=5.0, targets=10), PositionLoss(end=64, loss=4.0, targets=30))
    record.validations.append(
        ValidationLoss(step=run.steps, dataset="held-out", modality="text", loss=4.25, targets=40, positions=positions)
    )
    saver = Saver(run, run.mesh, "0" * 64)
    saver.save(run.steps, State(params={"w": np.ones(3, np.float32)}, optimizer={"m": np.ones(3, np.float32)}), record)
    assert saver.wait() == run.steps
    saver.close()

    checkpoint = f"{run.attempt_folder()}/{run.steps}"
    suite = JsonKvSuite(JsonKvSettings(lengths=(64,), depths=(0.0, 1.0)), tokenize)
    answers = [Answer(Key(64, "", depth, 0), ("x",), "y", score, 0.25, {}) for depth, score in ((0.0, 1.0), (1.0, 0.0))]
    fields = results(suite, checkpoint, "forced", answers)
    place = write_stage_report(run.attempt_folder(), checkpoint, record, [(f"{run.attempt_folder()}/evals/1-json-kv", fields)])

    assert place == f"{run.attempt_folder()}/report.html"
    page = re.sub(r"<[^>]+>|\s+", " ", Path(place).read_text())
    assert f"of stage {run.stage} of training {run.training}" in page
    assert f"{run.training}, {run.stage}, step {run.steps}" in page
    assert "Validation: held-out, text" in page
    assert "4.2500 nats per token over 40 targets" in page
    assert "1 of 2" in page
    assert f"lwm eval json-kv {checkpoint}" in page
    assert Path(place).read_text().count("<details><summary>Settings") == 1, "the training's own losses have no settings"
