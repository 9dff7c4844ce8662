"""Filters against a sort in float64, and draws that depend on their own row only."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lwm_trainer.sampling.filters import FilterArrays, _keep, draw

SCORES = np.random.default_rng(0).standard_normal((4, 50)).astype(np.float32) * 3
KEEP, DRAW = jax.jit(_keep), jax.jit(draw)


def arrays(temperature: Any = 1.0, top_k: Any = 0, top_p: Any = 1.0, min_p: Any = 0.0) -> FilterArrays:
    values = (temperature, np.float32), (top_k, np.int32), (top_p, np.float32), (min_p, np.float32)
    return FilterArrays(*(jnp.asarray(np.broadcast_to(value, 4).astype(dtype)) for value, dtype in values))


def kept(scores: Any, **filters: Any) -> Any:
    return np.isfinite(np.asarray(KEEP(jnp.asarray(scores), arrays(**filters))))


def test_top_k_keeps_the_k_largest_of_each_row_and_what_ties_with_them() -> None:
    mask = kept(SCORES, top_k=[1, 7, 0, 50])
    for row, count in enumerate([1, 7, 50, 50]):
        assert mask[row].sum() == count
        assert set(np.flatnonzero(mask[row])) == set(np.argsort(-SCORES[row])[:count])
    assert kept(np.zeros((4, 50), np.float32), top_k=3).all(), "which of equals were cut would be chance"


def test_top_p_keeps_the_fewest_tokens_that_have_the_probability_together() -> None:
    wanted = [0.01, 0.5, 0.9, 1.0]
    mask = kept(SCORES, top_p=wanted)
    for row, p in enumerate(wanted):
        probability = np.exp(SCORES[row].astype(np.float64))
        probability /= probability.sum()
        order = np.argsort(-probability)
        count = 50 if p == 1 else int(np.searchsorted(np.cumsum(probability[order]), p)) + 1
        assert set(np.flatnonzero(mask[row])) == set(order[:count]), p


def test_min_p_keeps_what_has_the_share_of_the_largest_probability() -> None:
    mask = kept(SCORES, min_p=[0.0, 0.05, 0.5, 1.0])
    for row, share in enumerate([0.0, 0.05, 0.5, 1.0]):
        probability = np.exp(SCORES[row] - SCORES[row].max())
        np.testing.assert_array_equal(mask[row], probability >= share)


def test_filters_apply_one_after_the_other() -> None:
    scores = np.log(np.array([[0.4, 0.3, 0.2, 0.1]] * 4, np.float32))
    assert kept(scores, top_k=2, top_p=0.6).sum(1).tolist() == [2] * 4, "after top-k, 0.4 of 0.7 are 0.57"
    assert kept(scores, top_p=0.6).sum(1).tolist() == [2] * 4
    assert kept(scores, top_k=2, top_p=0.57).sum(1).tolist() == [1] * 4


def test_temperature_0_takes_the_largest_score_whatever_the_seed() -> None:
    for seed in range(3):
        drawn = DRAW(jnp.asarray(SCORES), arrays(temperature=0.0), jnp.full(4, seed, jnp.uint32), jnp.arange(4))
        np.testing.assert_array_equal(drawn, SCORES.argmax(-1))


def test_draws_have_the_distribution_of_the_scores_and_depend_on_their_own_row_only() -> None:
    scores = jnp.asarray(np.log(np.array([[0.6, 0.3, 0.1]], np.float32)))
    count = 2000
    one_row = jax.jit(jax.vmap(lambda place: draw(scores, FilterArrays(*(x[:1] for x in arrays())), jnp.uint32([7]), place[None])[0]))
    drawn = np.asarray(one_row(jnp.arange(count)))
    share = np.bincount(drawn, minlength=3) / count
    np.testing.assert_allclose(share, [0.6, 0.3, 0.1], atol=4 * np.sqrt(0.25 / count))
    together = DRAW(jnp.tile(scores, (4, 1)), arrays(temperature=[1.0, 0.0, 1.0, 9.0]), jnp.uint32([7, 1, 7, 3]), jnp.int32([5, 9, 6, 2]))
    assert [int(together[0]), int(together[2])] == drawn[5:7].tolist()
