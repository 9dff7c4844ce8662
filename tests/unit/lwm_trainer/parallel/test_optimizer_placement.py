"""Every optimizer's state lies beside the parameters, and steps are the same on one device and on eight."""

from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from lwm_trainer import config
from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh
from lwm_trainer.parallel.optimizer_placement import optimizer_shardings
from lwm_trainer.step import optimizer as optimizer_module
from lwm_trainer.step.optimizer import make_optimizer
from support.tiny_models import one_device_mesh, random_params

MODEL = config.Model(layers=2, width=16, heads=2, kv_heads=2, head_dim=4, mlp_width=24, vocab_size=32)
OPTIMIZERS = [
    config.Optimizer(name="adafactor"),
    config.Optimizer(name="muon", skip_spikes=config.SkipSpikes(window=2)),
]
EMBED = ("fsdp", "ring", "ulysses")


@pytest.fixture(scope="module")
def eight() -> jax.sharding.Mesh:
    return mesh.make_mesh(config.Mesh(fsdp=2, tp=2, sp=2))


def placed(optimizer: config.Optimizer, device_mesh: jax.sharding.Mesh) -> tuple[Any, Any, Any]:
    """The optimizer, and shapes and shardings of its state."""
    made = make_optimizer(optimizer, 10)
    shape = jax.eval_shape(made.init, llama.abstract(MODEL))
    parameters = mesh.shardings(device_mesh, llama.logical_axes(MODEL))
    return made, shape, optimizer_shardings(shape, llama.abstract(MODEL), parameters)


def test_factors_lie_over_the_axes_that_they_have_and_moments_like_the_parameters(
    eight: jax.sharding.Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimizer_module, "ADAFACTOR_SMALLEST", 4)
    _, _, shardings = placed(config.Optimizer(name="adafactor"), eight)
    specs = {jax.tree_util.keystr(path): sharding.spec for path, sharding in jax.tree_util.tree_leaves_with_path(shardings)}
    layers = "[1][0][0].inner_states['layers'].inner_state[0]"
    assert specs[f"{layers}.v_row['layers']['mlp']['gate']"] == P(None, EMBED)
    assert specs[f"{layers}.v_col['layers']['mlp']['gate']"] == P(None, "tp")
    assert specs[f"{layers}.v_col['layers']['attention']['query']"] == P(None, EMBED, "tp")
    assert specs[f"{layers}.v['layers']['mlp']['gate']"] == specs[f"{layers}.count"] == P()
    assert specs["[1][0][1].ema['layers']['mlp']['gate']"] == P(None, EMBED, "tp")


def test_a_large_array_that_no_rule_places_is_refused(eight: jax.sharding.Mesh) -> None:
    params, shardings = {"up": jax.ShapeDtypeStruct((8, 8), "float32")}, mesh.shardings(eight, {"up": ("embed", "mlp")})
    for state in ({"up": jax.ShapeDtypeStruct((8, 8, 3), "float32")}, {"table": jax.ShapeDtypeStruct((2**17,), "float32")}):
        with pytest.raises(
            ValueError, match=r"optimizer state \['inner'\]\['(up|table)'\] of shape .* has no place: add a rule to lwm_trainer"
        ):
            optimizer_shardings({"inner": state}, params, shardings)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: str(optimizer.name))
def test_steps_on_eight_devices_are_those_on_one(
    optimizer: config.Optimizer, eight: jax.sharding.Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimizer_module, "ADAFACTOR_SMALLEST", 4)
    results = []
    for device_mesh in (one_device_mesh(), eight):
        made, _, shardings = placed(optimizer, device_mesh)
        params, gradients = (random_params(MODEL, device_mesh, seed) for seed in (0, 1))
        quickly = {"xla_backend_optimization_level": 0}
        state = jax.jit(made.init, out_shardings=shardings, compiler_options=quickly)(params)
        update = jax.jit(
            made.update, out_shardings=(mesh.shardings(device_mesh, llama.logical_axes(MODEL)), shardings), compiler_options=quickly
        )
        _, state = update(gradients, state, params)
        results.append(update(params, state, params))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6), *results)
