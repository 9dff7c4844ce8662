"""The same decoder as `transformers` and most first implementations write it: layers unrolled, a mask and all scores of every
head, the logits of all tokens at once, no rematerialization. It takes the trainer's parameters, so that losses can be compared.

Letters: B rows, T tokens, H heads, K key heads, C head width, V vocabulary.
"""

import jax
import jax.numpy as jnp
from jax import Array

from lwm_trainer import config
from lwm_trainer.model.llama import Params
from lwm_trainer.step.batch import Batch

LEAST = -1e30
"""Score of a masked key."""


def mean_loss(model: config.Model, theta: float, params: Params, batch: Batch) -> Array:
    """Weighted mean of the cross-entropy in nats, float32."""
    logits_BTV = _logits(model, theta, params, batch)
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits_BTV), batch["targets"][..., None], axis=-1)[..., 0]
    return -jnp.sum(batch["weights"] * picked) / batch["weights"].sum()


def _logits(model: config.Model, theta: float, params: Params, batch: Batch) -> Array:
    place = batch["index"]
    seen_BTT = (place[:, None, :] >= batch["start"][:, :, None]) & (place[:, None, :] <= place[:, :, None])
    bias_BTT = jnp.where(seen_BTT, 0.0, LEAST)
    x = params["ends"]["embedding"][batch["tokens"]]
    for number in range(model.layers):
        layer = jax.tree.map(lambda stacked, number=number: stacked[number], params["layers"])
        x = x + _attention(
            model, theta, layer["attention"], _norm(model, x, layer["attention_norm"]["scale"]), batch["positions"], bias_BTT
        )
        h = _norm(model, x, layer["mlp_norm"]["scale"])
        x = x + (jax.nn.silu(h @ layer["mlp"]["gate"]) * (h @ layer["mlp"]["up"])) @ layer["mlp"]["down"]
    head: Array = params["ends"]["head"]
    return _norm(model, x, params["ends"]["norm"]["scale"]) @ head


def _attention(model: config.Model, theta: float, layer: Params, x: Array, position_BT: Array, bias_BTT: Array) -> Array:
    q, k, v = (jnp.einsum("btd,dhc->bthc", x, layer[name]) for name in ("query", "key", "value"))
    q, k = _rotated(q, position_BT, theta), _rotated(k, position_BT, theta)
    k, v = (jnp.repeat(x, model.heads // model.kv_heads, axis=2) for x in (k, v))
    score_BHTT = jnp.einsum("bqhc,bkhc->bhqk", q, k) / model.head_dim**0.5 + bias_BTT[:, None]
    out = jnp.einsum("bhqk,bkhc->bqhc", jax.nn.softmax(score_BHTT), v)
    return jnp.einsum("bthc,hcd->btd", out, layer["output"])


def _rotated(x_BTHC: Array, position_BT: Array, theta: float) -> Array:
    half = x_BTHC.shape[-1] // 2
    angle = position_BT[..., None, None] * theta ** (-jnp.arange(half) / half)
    cos, sin = (jnp.concatenate([x, x], axis=-1) for x in (jnp.cos(angle), jnp.sin(angle)))
    first, second = jnp.split(x_BTHC, 2, axis=-1)
    return x_BTHC * cos + jnp.concatenate([-second, first], axis=-1) * sin


def _norm(model: config.Model, x: Array, scale: Array) -> Array:
    return x / jnp.sqrt(jnp.mean(x * x, axis=-1, keepdims=True) + model.norm_epsilon) * scale
