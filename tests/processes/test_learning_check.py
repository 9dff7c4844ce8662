"""The quickstart's verdict on a model that really trains: it learns, and with shuffled targets the same check says no."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from lwm_trainer import config
from lwm_trainer.data.documents.in_memory import load_documents
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.rows.loader import Batches, unigram_entropy
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.step.batch import Batch, batch_names
from lwm_trainer.step.global_batch import column_orders
from lwm_trainer.step.train_step import make_program
from processes.gang import a_run, write_texts, write_tokenizer
from quickstart.learning_check import check_learning

STEPS = 60


@pytest.mark.parametrize("shuffled", [False, True])
def test_only_real_targets_are_learned(tmp_path: Path, shuffled: bool) -> None:
    write_texts(tmp_path / "texts", documents=40)
    write_tokenizer(tmp_path / "tokenizer.json")
    gang = {"job": "j", "service": "s", "hosts": 1, "devicesPerHost": 8, "platform": "cpu", "coordinator": "h:1"}
    run = config.RunConfig.model_validate(a_run(tmp_path, gang=gang, mesh={"fsdp": 2, "sp": 4}, steps=STEPS, batchTokens=1024))
    batches = Batches(run, load_documents(run, Tokenizer.load(run.tokenizer, run.model.vocab_size)))
    program = make_program(run, make_mesh(run.mesh))
    state = program.init(jax.random.key(0))
    random, losses = np.random.default_rng(0), []
    for step in range(STEPS):
        rows: dict[str, Any] = dict(batches.batch(step))
        if shuffled:
            counts = rows["weights"] > 0
            rows["targets"][counts] = random.permutation(rows["targets"][counts])
        order = column_orders(run.mesh, rows["start"])
        planned = {name: np.take_along_axis(rows[name], order, axis=1) for name in batch_names(run.model)}
        batch = Batch(**{name: jax.device_put(array, program.batch_sharding) for name, array in planned.items()})  # type: ignore[typeddict-item]
        state, metrics = program.train_step(state, batch)
        losses.append(float(metrics["loss"]))
    verdict = check_learning(losses, unigram_entropy(batches, range(STEPS)))
    assert verdict.learned is not shuffled, verdict
