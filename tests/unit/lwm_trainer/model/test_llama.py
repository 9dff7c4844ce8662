"""The model against a second, dense and unscanned writing of the same equations."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from lwm_trainer.config import Model
from lwm_trainer.model import llama

TINY = Model(layers=3, width=32, heads=4, kv_heads=2, head_dim=8, mlp_width=48, vocab_size=64)


def causal(q: Array, k: Array, v: Array) -> Array:
    k, v = (jnp.repeat(x, q.shape[2] // k.shape[2], axis=2) for x in (k, v))
    score = jnp.einsum("bqhc,bkhc->bhqk", q, k) / np.sqrt(q.shape[-1])
    score = jnp.where(jnp.tril(jnp.ones(score.shape[-2:], bool)), score, -jnp.inf)
    return jnp.einsum("bhqk,bkhc->bqhc", jax.nn.softmax(score), v)


def plain(params: Any, tokens: Any, theta: float) -> Any:
    def norm(x: Any, scale: Any) -> Any:
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + TINY.norm_epsilon) * scale

    def turn(x: Any) -> Any:
        out = np.array(x)
        half = TINY.head_dim // 2
        for place in range(x.shape[1]):
            for channel in range(half):
                angle = place * theta ** (-2 * channel / TINY.head_dim)
                a, b = x[:, place, :, channel], x[:, place, :, channel + half]
                out[:, place, :, channel] = a * np.cos(angle) - b * np.sin(angle)
                out[:, place, :, channel + half] = b * np.cos(angle) + a * np.sin(angle)
        return out

    params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
    x = params["ends"]["embedding"][tokens]
    for number in range(TINY.layers):
        p = jax.tree.map(lambda array, number=number: array[number], params["layers"])
        h = norm(x, p["attention_norm"]["scale"])
        q, k, v = (np.einsum("btd,dhc->bthc", h, p["attention"][name]) for name in ("query", "key", "value"))
        out = np.asarray(causal(*(jnp.asarray(each, jnp.float32) for each in (turn(q), turn(k), v))), np.float64)
        x = x + np.einsum("bthc,hcd->btd", out, p["attention"]["output"])
        h = norm(x, p["mlp_norm"]["scale"])
        gate = h @ p["mlp"]["gate"]
        x = x + (gate / (1 + np.exp(-gate)) * (h @ p["mlp"]["up"])) @ p["mlp"]["down"]
    return norm(x, params["ends"]["norm"]["scale"])


def hidden(params: Any, tokens: Any, theta: float, model: Model = TINY) -> Array:
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    return llama.hidden_states(model, params, tokens, positions, theta, causal, lambda x: x)


def test_the_model_is_llama_as_written_out_in_float64() -> None:
    params = llama.init(TINY, jax.random.key(3))
    tokens = np.random.default_rng(0).integers(0, TINY.vocab_size, (2, 17))
    result = hidden(params, jnp.array(tokens), 500.0)
    np.testing.assert_allclose(result, plain(params, tokens, 500.0), rtol=2e-4, atol=2e-5)


def test_theta_matters_and_later_tokens_do_not() -> None:
    params = llama.init(TINY, jax.random.key(3))
    tokens = jnp.array(np.random.default_rng(0).integers(0, TINY.vocab_size, (1, 12)))
    first = hidden(params, tokens, 500.0)
    assert not np.allclose(first, hidden(params, tokens, 5000.0))
    changed = hidden(params, tokens.at[0, 8].set(1 - tokens[0, 8]), 500.0)
    np.testing.assert_array_equal(first[0, :8], changed[0, :8])


def test_every_parameter_names_an_axis_for_each_of_its_dimensions() -> None:
    shapes = jax.eval_shape(lambda: llama.init(TINY, jax.random.key(0)))
    axes = llama.logical_axes(TINY)
    jax.tree.map(lambda shape, names: pytest.fail(str(names)) if len(names) != shape.ndim else None, shapes, axes)


def test_a_tied_head_is_the_embedding() -> None:
    tied = TINY.model_copy(update={"tied_embeddings": True})
    params = llama.init(tied, jax.random.key(0))
    assert "head" not in params["ends"]
    np.testing.assert_array_equal(llama.head(tied, params), params["ends"]["embedding"].T)
