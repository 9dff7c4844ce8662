import pytest

from lwm_trainer.config import Optimizer
from lwm_trainer.step.optimizer import learning_rate_schedule, make_optimizer


def test_the_rate_warms_up_peaks_and_ends_at_its_final_fraction_on_the_last_step() -> None:
    rate = learning_rate_schedule(Optimizer(peak_learning_rate=0.1, warmup_steps=4, final_fraction=0.2), steps=20)
    assert float(rate(0)) == pytest.approx(0.02)
    assert float(rate(4)) == pytest.approx(0.1)
    assert float(rate(19)) == pytest.approx(0.02)
    assert all(float(rate(step)) > float(rate(step + 1)) for step in range(4, 19))


def test_a_stage_shorter_than_its_warm_up_still_has_a_schedule() -> None:
    assert float(learning_rate_schedule(Optimizer(peak_learning_rate=0.1, warmup_steps=10), steps=3)(2)) == pytest.approx(0.1)


def test_the_first_moment_alone_is_stored_as_the_policy_says() -> None:
    import jax
    import jax.numpy as jnp

    params = {"up": jnp.ones((2, 4))}
    optimizer = make_optimizer(Optimizer(), 2, "bfloat16")
    gradients = jax.tree.map(lambda x: 0.3 * x, params)
    _, state = optimizer.update(gradients, optimizer.init(params), params)
    adam = state[1][0]
    assert (adam.mu["up"].dtype, adam.nu["up"].dtype) == (jnp.bfloat16, jnp.float32)
    assert float(adam.mu["up"][0, 0]) == float(jnp.bfloat16(0.03))


def test_norms_do_not_decay() -> None:
    import jax
    import jax.numpy as jnp

    params = {"attention_norm": {"scale": jnp.ones((2, 4))}, "mlp": {"up": jnp.ones((2, 4))}}
    optimizer = make_optimizer(Optimizer(weight_decay=0.5, peak_learning_rate=0.1), steps=2)
    updates, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)
    assert float(jnp.abs(updates["attention_norm"]["scale"]).max()) == 0.0
    assert float(updates["mlp"]["up"].max()) < 0.0
