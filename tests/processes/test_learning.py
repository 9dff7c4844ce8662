"""The quickstart's verdict on a real training: yes on the text, no on the same text with shuffled targets."""

from collections.abc import Iterable
from pathlib import Path

import jax
import numpy as np
import pytest

from lwm_trainer.data import Batches, Tokenizer, load_documents, unigram_entropy
from lwm_trainer.data.loader import Batch
from lwm_trainer.feed import Feed
from lwm_trainer.mesh import make_mesh
from lwm_trainer.step import make_program
from quickstart.books import write_books
from quickstart.learned import LAST_STEPS, Verdict, judge
from quickstart.tokenizer.train import PATH
from unit.builders import a_run

STEPS = 90


class Shuffled(Batches):
    """The same tokens and as many of each target, in an order that nothing tells."""

    def rows(self, step: int, row_indices: Iterable[int]) -> Batch:
        batch = super().rows(step, row_indices)
        counted = batch["weights"] > 0
        batch["targets"][counted] = np.random.default_rng(step).permutation(batch["targets"][counted])
        return batch


def verdict(kind: type[Batches], folder: Path) -> Verdict:
    write_books(folder)
    run = a_run(
        model={"layers": 2, "width": 96, "heads": 2, "kv_heads": 2, "head_dim": 48, "mlp_width": 256, "vocab_size": 2048},
        mesh={"dp": 8},
        tokenizer=str(PATH),
        datasets=[{"name": "books", "kind": "text", "uri": str(folder)}],
        context_length=128,
        batch_tokens=4096,
        steps=STEPS,
        optimizer={"peak_learning_rate": 0.01, "warmup_steps": 8},
    )
    batches = kind(run, load_documents(run, Tokenizer.load(run.tokenizer, run.model.vocab_size)))
    program = make_program(run, make_mesh(run.mesh))
    feed = Feed(run, batches, program.batch_sharding)
    state, losses = program.init(jax.random.key(run.seed)), []
    for step in range(run.steps):
        state, metrics = program.train_step(state, feed.batch(step))
        losses.append(float(metrics["loss"]))
    return judge(losses, unigram_entropy(batches, range(run.steps)[-LAST_STEPS:]))


@pytest.mark.parametrize(("kind", "learned"), [(Batches, True), (Shuffled, False)])
def test_only_text_in_its_order_can_be_learned(tmp_path: Path, kind: type[Batches], learned: bool) -> None:
    found = verdict(kind, tmp_path)
    assert found.learned is learned
    assert found.loss < found.entropy + 0.5, "not even the frequencies were learned: the control would fail for another reason"
