"""The global batch: each row in the layout planned for it, every array of the batch in the same."""

from typing import Any

import jax
import numpy as np
import pytest

from lwm_trainer.config import Mesh, Rollback, Start, Vision
from lwm_trainer.data.documents.in_memory import InMemoryDocuments
from lwm_trainer.data.rows.loader import Batches
from lwm_trainer.parallel.mesh import TOKENS, make_mesh
from lwm_trainer.ring.layout import plan_layout
from lwm_trainer.step.batch import batch_names
from lwm_trainer.step.global_batch import GlobalBatches, column_orders
from support.builders import a_run

LENGTH, SIZES = 192, [150, 30, 12, 70, 61, 61, 192, 9, 8, 7, 180]


def batches(run: Any) -> Batches:
    sizes = np.cumsum(SIZES)
    return Batches(
        run,
        {"d": InMemoryDocuments.from_tokens([np.arange(end - size, end, dtype=np.int32) for size, end in zip(SIZES, sizes, strict=True)])},
    )


def test_a_model_with_a_vision_vocabulary_is_told_that_texts_are_text() -> None:
    text = a_run(context_length=LENGTH, batch_tokens=8 * LENGTH)
    run = text.model_copy(update={"model": text.model.model_copy(update={"vision": Vision()})})
    batch = GlobalBatches(run, run.mesh, batches(run), jax.sharding.NamedSharding(make_mesh(run.mesh), TOKENS)).batch(0)
    assert set(batch) - set(batch_names(text.model)) == {"vision", "target_vision"}
    assert not np.asarray(batch["vision"]).any()
    assert not np.asarray(batch["target_vision"]).any()


@pytest.mark.parametrize("mesh", [{"sp": 8}, {"sp": 8, "ulysses": 2}, {"fsdp": 2, "sp": 4}, {"fsdp": 8}])
def test_every_row_lies_in_its_own_plan_and_nothing_is_lost(mesh: dict[str, int]) -> None:
    run = a_run(mesh=mesh, context_length=LENGTH, batch_tokens=8 * LENGTH)
    source = batches(run)
    sharding = jax.sharding.NamedSharding(make_mesh(run.mesh), TOKENS)
    batch, expected = GlobalBatches(run, run.mesh, source, sharding).batch(3), source.batch(3)
    ring = run.mesh.ring
    layouts = {plan_layout(start, ring).tobytes() for start in expected["start"]}
    assert (len(layouts) > 1) == (ring > 1), "the rows should need different layouts"
    for name in batch_names(run.model):
        array = np.asarray(batch[name])  # type: ignore[literal-required]
        for row in range(8):
            order = plan_layout(expected["start"][row], ring)
            np.testing.assert_array_equal(array[row], expected[name][row][order])
            assert np.all(np.diff(np.asarray(batch["index"])[row].reshape(ring, -1), axis=1) > 0)


def test_the_order_of_a_ulysses_group_is_that_of_its_rank() -> None:
    start = np.stack([np.zeros(64, np.int32), np.repeat(np.arange(0, 64, 8, dtype=np.int32), 8)])
    np.testing.assert_array_equal(column_orders(Mesh(sp=8, ulysses=4), start), column_orders(Mesh(sp=2), start))
    assert not np.array_equal(*column_orders(Mesh(sp=8, ulysses=4), start))


@pytest.mark.parametrize("rollbacks", [(), ((2, 1),), ((5, 3), (2, 1)), ((3, 2), (3, 1))])
def test_tokens_are_counted_without_padding_and_skipped_batches(rollbacks: tuple[tuple[int, int], ...]) -> None:
    start = Start(rollbacks=tuple(Rollback(attempt=2, step=step, skip_batches=skipped) for step, skipped in rollbacks))
    run = a_run(context_length=LENGTH, batch_tokens=8 * LENGTH).model_copy(update={"start": start})
    feed = GlobalBatches(run, run.mesh, batches(run), jax.sharding.NamedSharding(make_mesh(run.mesh), TOKENS))
    in_steps = [int((batch["start"] <= batch["index"]).sum()) for batch in map(feed.batch, range(9))]
    assert min(in_steps) < run.batch_tokens
    assert [feed.tokens(step) for step in range(9)] == in_steps
    assert [feed.tokens_seen(steps) for steps in range(10)] == np.cumsum([0, *in_steps]).tolist()
