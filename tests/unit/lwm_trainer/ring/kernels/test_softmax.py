"""The online softmax: shards merged one after the other are attention to all of them."""

import jax
import jax.numpy as jnp
import numpy as np

from lwm_trainer.ring.kernels.softmax import EMPTY_SCORE, empty, finish, merge

ROWS, KEY_HEADS, GROUP, QUERIES, KEYS, WIDTH = 1, 2, 1, 3, 8, 4


def test_merged_shards_are_attention_to_all_keys_in_any_order() -> None:
    keys = jax.random.split(jax.random.key(0), 2)
    score = jax.random.normal(keys[0], (ROWS, KEY_HEADS, GROUP, QUERIES, KEYS))
    values = jax.random.normal(keys[1], (ROWS, KEY_HEADS, KEYS, WIDTH))
    expected = jnp.einsum("bkgts,bksc->bkgtc", jax.nn.softmax(score, axis=-1), values)
    for shards in ((slice(0, 3), slice(3, 8)), (slice(3, 8), slice(0, 3))):
        carry = empty(jnp.zeros((ROWS, KEY_HEADS, GROUP, QUERIES, WIDTH)))
        for shard in shards:
            part = jnp.einsum("bkgts,bksc->bkgtc", jax.nn.softmax(score[..., shard], axis=-1), values[:, :, shard])
            carry = merge(carry, part, jax.nn.logsumexp(score[..., shard], axis=-1))
        out, lse = finish(carry, jnp.dtype("float32"))
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(lse, jax.nn.logsumexp(score, axis=-1), rtol=1e-5)


def test_a_query_without_keys_is_zero_and_leaves_what_was_seen_as_it_is() -> None:
    nothing = jnp.full((1, 1, 1, 1), EMPTY_SCORE)
    carry = empty(jnp.ones((1, 1, 1, 1, 2), jnp.bfloat16))
    out, lse = finish(carry, jnp.dtype("bfloat16"))
    assert (out.dtype, out.tolist(), lse.tolist()) == (jnp.bfloat16, [[[[[0, 0]]]]], nothing.tolist())
    seen = merge(carry, jnp.full((1, 1, 1, 1, 2), 3.0), jnp.zeros((1, 1, 1, 1)))
    again = merge(seen, jnp.full((1, 1, 1, 1, 2), 9.0), nothing)
    assert finish(again, jnp.dtype("float32"))[0].tolist() == [[[[[3, 3]]]]]
