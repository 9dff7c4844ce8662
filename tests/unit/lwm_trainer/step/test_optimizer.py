"""Trajectories are compared with those of optax on layers that are not stacked."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

from lwm_trainer.config import Optimizer
from lwm_trainer.step import optimizer as module
from lwm_trainer.step.optimizer import learning_rate_schedule, make_optimizer

LAYERS, STEPS, RATE, DECAY = 2, 3, 0.05, 0.1
SHAPES: dict[str, Any] = {
    "ends": {"embedding": (6, 4), "norm": {"scale": (4,)}, "head": (4, 6)},
    "layers": {
        "attention": {"query": (4, 2, 2), "key": (4, 1, 2), "output": (2, 2, 4)},
        "attention_norm": {"scale": (4,)},
        "mlp": {"gate": (4, 6), "down": (6, 4)},
    },
}
CONSTANT = Optimizer(schedule="constant", peak_learning_rate=RATE, weight_decay=DECAY, clip_norm=1000.0)


def drawn(seed: int) -> Any:
    """A tree of parameters or gradients with stacked layers."""
    random = np.random.default_rng(seed)

    def draw(path: Any, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        leading = (LAYERS,) if path[0].key == "layers" else ()
        return random.standard_normal((*leading, *shape)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, SHAPES, is_leaf=lambda leaf: isinstance(leaf, tuple))


def quickly(function: Any) -> Any:
    """One program that compiles fast, instead of one for each operation."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})


def unstacked(tree: Any) -> Any:
    return {"ends": tree["ends"], "layers": [jax.tree.map(lambda x, n=number: x[n], tree["layers"]) for number in range(LAYERS)]}


def trajectory(optimizer: optax.GradientTransformation, unstack: bool) -> Any:
    """The parameters behind STEPS steps, with layers that are not stacked."""
    arrange = unstacked if unstack else lambda tree: tree

    def step(params: Any, state: Any, gradients: Any) -> Any:
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    params, compiled = arrange(drawn(0)), quickly(step)
    state = optimizer.init(params)
    for number in range(STEPS):
        params, state = compiled(params, state, arrange(drawn(1 + number)))
    return params if unstack else unstacked(params)


def no_norms(params: Any) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key != "scale", params)


def assert_equal(ours: Any, theirs: Any) -> None:
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6), ours, theirs)


def test_adamw_is_that_of_optax_with_its_epsilon() -> None:
    ours = make_optimizer(CONSTANT.model_copy(update={"epsilon": 0.1}), STEPS)
    theirs = optax.adamw(RATE, b1=0.9, b2=0.95, eps=0.1, weight_decay=DECAY, mask=no_norms)
    assert_equal(trajectory(ours, unstack=False), trajectory(theirs, unstack=True))


@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_adafactor_is_that_of_optax_for_each_layer(beta1: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ADAFACTOR_SMALLEST", 2)
    ours = make_optimizer(CONSTANT.model_copy(update={"name": "adafactor", "beta1": beta1}), STEPS)
    theirs = optax.adafactor(
        RATE,
        min_dim_size_to_factor=2,
        multiply_by_parameter_scale=False,
        momentum=beta1 or None,
        weight_decay_rate=RATE * DECAY,
        weight_decay_mask=no_norms,
    )
    assert_equal(trajectory(ours, unstack=False), trajectory(theirs, unstack=True))


def test_the_second_moment_of_adafactor_is_decayed_by_no_more_than_beta2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ADAFACTOR_SMALLEST", 2)
    bounded, free = (
        trajectory(make_optimizer(CONSTANT.model_copy(update={"name": "adafactor", "beta2": beta2}), STEPS), unstack=False)
        for beta2 in (0.3, 0.95)
    )
    assert float(jnp.abs(bounded["ends"]["embedding"] - free["ends"]["embedding"]).max()) > 1e-3


def test_muon_is_that_of_optax_for_the_matrices_of_each_layer_and_adamw_for_all_else() -> None:
    result = trajectory(make_optimizer(CONSTANT.model_copy(update={"name": "muon"}), STEPS), unstack=False)

    def axes(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(lambda path, _: module.MATRICES.get(path[-1].key), params)

    matrices = contrib.muon(
        RATE, beta=0.95, weight_decay=DECAY, consistent_rms=0.2, muon_weight_dimension_numbers=axes, weight_decay_mask=no_norms
    )
    rest = optax.adamw(RATE, b1=0.9, b2=0.95, weight_decay=DECAY, mask=no_norms)
    by_muon, by_adamw = trajectory(matrices, unstack=True), trajectory(rest, unstack=True)
    assert_equal(result["ends"], by_adamw["ends"])
    for ours, muon, adamw in zip(result["layers"], by_muon["layers"], by_adamw["layers"], strict=True):
        assert_equal(ours["attention_norm"], adamw["attention_norm"])
        assert_equal((ours["attention"], ours["mlp"]), (muon["attention"], muon["mlp"]))


@pytest.mark.parametrize("name", ["adamw", "adafactor", "muon"])
def test_parameters_of_the_excluded_kinds_alone_do_not_decay(name: str) -> None:
    given = CONSTANT.model_copy(update={"name": name, "weight_decay_excludes": ("embeddings", "heads")})
    params = drawn(0)
    optimizer = make_optimizer(given, STEPS)
    updates = quickly(lambda params: optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)[0])(params)
    assert float(jnp.abs(updates["ends"]["embedding"]).max()) == float(jnp.abs(updates["ends"]["head"]).max()) == 0.0
    for parent, child in (("ends", "norm"), ("layers", "attention_norm"), ("layers", "mlp")):
        assert_equal(updates[parent][child], jax.tree.map(lambda x: -RATE * DECAY * x, params[parent][child]))


def test_a_constant_rate_stays_at_the_peak_behind_its_warm_up() -> None:
    rate = learning_rate_schedule(Optimizer(schedule="constant", peak_learning_rate=0.1, warmup_steps=4), steps=20)
    assert [round(float(rate(step)), 6) for step in (0, 4, 10, 19)] == [0.02, 0.1, 0.1, 0.1]


@pytest.mark.parametrize(("given", "decay"), [(None, 2), (8, 8)])
def test_a_rate_that_is_stable_falls_in_a_line_to_its_final_fraction_on_the_last_step(given: int | None, decay: int) -> None:
    wsd = Optimizer(schedule="wsd", peak_learning_rate=0.1, warmup_steps=4, final_fraction=0.2, decay_steps=given)
    rate = learning_rate_schedule(wsd, steps=20)
    assert [float(rate(step)) for step in range(4, 20 - decay)] == pytest.approx([0.1] * (16 - decay))
    assert [float(rate(19 - step)) for step in range(decay + 1)] == pytest.approx([0.02 + 0.08 * step / decay for step in range(decay + 1)])
    assert float(rate(0)) == pytest.approx(0.02)


def test_the_rate_warms_up_peaks_and_ends_at_its_final_fraction_on_the_last_step() -> None:
    rate = learning_rate_schedule(Optimizer(peak_learning_rate=0.1, warmup_steps=4, final_fraction=0.2), steps=20)
    assert float(rate(0)) == pytest.approx(0.02)
    assert float(rate(4)) == pytest.approx(0.1)
    assert float(rate(19)) == pytest.approx(0.02)
    assert all(float(rate(step)) > float(rate(step + 1)) for step in range(4, 19))


def test_a_stage_shorter_than_its_warm_up_still_has_a_schedule() -> None:
    assert float(learning_rate_schedule(Optimizer(peak_learning_rate=0.1, warmup_steps=10), steps=3)(2)) == pytest.approx(0.1)


def test_the_first_moment_alone_is_stored_as_the_policy_says() -> None:
    params = {"up": jnp.ones((2, 4))}
    optimizer = make_optimizer(Optimizer(), 2, "bfloat16")
    gradients = jax.tree.map(lambda x: 0.3 * x, params)
    _, state = optimizer.update(gradients, optimizer.init(params), params)
    adam = state[1][0]
    assert (adam.mu["up"].dtype, adam.nu["up"].dtype) == (jnp.bfloat16, jnp.float32)
    assert float(adam.mu["up"][0, 0]) == float(jnp.bfloat16(0.03))


def test_norms_do_not_decay() -> None:
    params = {"attention_norm": {"scale": jnp.ones((2, 4))}, "mlp": {"up": jnp.ones((2, 4))}}
    optimizer = make_optimizer(Optimizer(weight_decay=0.5, peak_learning_rate=0.1), steps=2)
    updates, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)
    assert float(jnp.abs(updates["attention_norm"]["scale"]).max()) == 0.0
    assert float(updates["mlp"]["up"].max()) < 0.0
