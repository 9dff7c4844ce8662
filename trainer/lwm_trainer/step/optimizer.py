"""AdamW (Loshchilov and Hutter 2019) with clipping, linear warm-up and cosine decay over the stage."""

from typing import Any

import jax
import optax

from lwm_trainer import config


def learning_rate_schedule(optimizer: config.Optimizer, steps: int) -> optax.Schedule:
    """Learning rate by step: from peak / (warmup + 1) up to the peak, then down to `final_fraction` of it at the last step."""
    warmup = min(optimizer.warmup_steps, steps - 1)
    peak = optimizer.peak_learning_rate
    decay = optax.cosine_decay_schedule(peak, max(1, steps - 1 - warmup), alpha=optimizer.final_fraction)
    if warmup == 0:
        return decay
    return optax.join_schedules([optax.linear_schedule(peak / (warmup + 1), peak, warmup), decay], [warmup])


def make_optimizer(optimizer: config.Optimizer, steps: int, moments: config.NumberType = "float32") -> optax.GradientTransformation:
    """The optimizer of a stage of `steps` steps, whose first moment is stored as `moments`.

    Weight decay spares the scales of the norms, told by their names, because the layers' axis makes them two-dimensional.
    """

    def decays(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(lambda path, _: not any("norm" in str(key) for key in path), params)

    return optax.chain(
        optax.clip_by_global_norm(optimizer.clip_norm),
        optax.adamw(
            learning_rate_schedule(optimizer, steps),
            b1=optimizer.beta1,
            b2=optimizer.beta2,
            mu_dtype=moments,
            weight_decay=optimizer.weight_decay,
            mask=decays,
        ),
    )
