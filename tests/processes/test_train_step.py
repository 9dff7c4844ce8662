import jax
import numpy as np
import pytest

from lwm_trainer import config
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.step import fingerprint
from lwm_trainer.step.batch import Batch, abstract_batch
from lwm_trainer.step.global_batch import column_orders
from lwm_trainer.step.train_step import make_program
from support.builders import a_run

LENGTH = 64


def train(run: config.RunConfig) -> tuple[list[float], str, str, list[int]]:
    """Losses, hashes of the state before and after, hashes of the tokens."""
    device_mesh = make_mesh(run.mesh)
    program = make_program(run, device_mesh)
    state = program.init(jax.random.key(run.seed))
    first = fingerprint.to_hex(program.state_hash(state))
    random = np.random.default_rng(0)
    losses, tokens_hashes = [], []
    for _ in range(run.steps):
        shape = (run.rows, LENGTH)
        index = np.tile(np.arange(LENGTH, dtype=np.int32), (run.rows, 1))
        start = np.where(index < 40, 0, 40).astype(np.int32)
        tokens = random.integers(0, 128, shape, dtype=np.int32)
        arrays = {
            "tokens": tokens,
            "targets": np.roll(tokens, -1, axis=1),
            "positions": index - start,
            "index": index,
            "start": start,
            "weights": (random.random(shape) > 0.2).astype(np.float32),
        }
        order = column_orders(run.mesh, start)
        planned = {name: np.take_along_axis(array, order, axis=1) for name, array in arrays.items()}
        batch = Batch(**{name: jax.device_put(array, program.batch_sharding) for name, array in planned.items()})  # type: ignore[typeddict-item]
        state, metrics = program.train_step(state, batch)
        losses.append(float(metrics["loss"]))
        tokens_hashes.append(int(metrics["tokens_hash"]))
    return losses, first, fingerprint.to_hex(program.state_hash(state)), tokens_hashes


@pytest.fixture(scope="module")
def ring() -> tuple[list[float], str, str, list[int]]:
    return train(a_run())


@pytest.mark.parametrize("mesh", [{"fsdp": 8}, {"tp": 2, "sp": 2, "dp": 2}])
def test_another_mesh_draws_the_same_model_sees_the_same_tokens_and_has_the_same_loss(
    ring: tuple[list[float], str, str, list[int]], mesh: dict[str, int]
) -> None:
    losses, first, _, tokens = train(a_run(mesh=mesh))
    assert first == ring[1]
    assert tokens == ring[3]
    np.testing.assert_allclose(losses, ring[0], rtol=2e-5)


def test_the_partitioner_replicates_nothing_as_a_last_resort(capfd: pytest.CaptureFixture[str], no_compile_cache: None) -> None:
    """XLA warns where it finds no way from one sharding to another but through the whole array: it has one from table to stream."""
    run = a_run(mesh={"fsdp": 2, "sp": 4})
    program = make_program(run, make_mesh(run.mesh))
    program.train_step.lower(program.abstract_state, abstract_batch(run, program.batch_sharding)).compile()  # type: ignore[attr-defined]
    assert "Involuntary full rematerialization" not in capfd.readouterr().err


def test_the_same_run_twice_is_equal_bit_for_bit(ring: tuple[list[float], str, str, list[int]]) -> None:
    assert train(a_run()) == ring


def test_another_seed_draws_another_model(ring: tuple[list[float], str, str, list[int]]) -> None:
    assert train(a_run(seed=1, steps=1))[1] != ring[1]
