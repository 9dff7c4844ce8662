"""Scores of given tokens on sharded caches, against log-softmax over the full forward pass in float32 with dense attention."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lwm_trainer.config import Mesh, Model, Vision
from lwm_trainer.model import llama
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.sampling import programs
from lwm_trainer.sampling.engine import Engine
from lwm_trainer.sampling.parameters import for_generation
from lwm_trainer.sampling.prompt import TokenRow, join, text_row
from lwm_trainer.sampling.token_scores import TokenScorer
from support.dense_attention import dense
from support.tiny_models import one_device_mesh, random_params

MODEL = Model(layers=1, width=32, heads=4, kv_heads=2, head_dim=8, mlp_width=48, vocab_size=64, vision=Vision(vocab_size=48))
THETA, CHUNK, LENGTH = 500.0, 16, 45


def draw_row(seed: int) -> TokenRow:
    random = np.random.default_rng(seed)
    return TokenRow(random.integers(0, 48, LENGTH).astype(np.int32), random.random(LENGTH) < 0.4)


def dense_scores(row: TokenRow) -> tuple[Any, Any]:
    """The log-probability of each token but the first in its own vocabulary, and whether it is the most probable one."""
    params = random_params(MODEL, one_device_mesh())

    @jax.jit
    def forward(params: Any) -> Any:
        tokens, vision = jnp.array(row.tokens)[None], jnp.array(row.vision)[None]
        attend, positions = partial(dense, start=jnp.zeros_like(tokens)), jnp.arange(row.length)[None]
        hidden = llama.hidden_states(MODEL, params, tokens, positions, THETA, attend, lambda x: x, vision_BT=vision)[0]
        heads = llama.head(MODEL, params), llama.vision_head(params)
        return [jax.nn.log_softmax(hidden @ head, axis=-1) for head in heads]

    text, vision = (np.asarray(scores)[np.arange(row.length - 1)] for scores in forward(params))
    target, is_vision = row.tokens[1:], row.vision[1:]
    index = np.arange(row.length - 1)
    own = np.where(is_vision, vision[index, np.minimum(target, 47)], text[index, target])
    return own, np.where(is_vision, vision.argmax(-1), text.argmax(-1)) == target


@pytest.fixture(scope="module", params=[Mesh(sp=8), Mesh(dp=2, sp=2, tp=2)], ids=["sp8", "dp2-sp2-tp2"])
def scorer(request: pytest.FixtureRequest) -> TokenScorer:
    device_mesh = make_mesh(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "LOGIT_BYTES", 4 * 64 * 4)  # logits of few tokens at once, so that they come in several parts
        engine = Engine(MODEL, THETA, for_generation(MODEL, random_params(MODEL, device_mesh)), device_mesh, CHUNK)
        made = TokenScorer(engine)
        made.score(text_row([1, 2]), text_row([3]))
        return made


def test_scores_equal_log_softmax_over_a_dense_forward_pass_also_where_texts_share_a_beginning(scorer: TokenScorer) -> None:
    row, other = draw_row(0), draw_row(1)
    log_probability, most_probable = dense_scores(row)
    whole = scorer.score(row.before(1), row.after(1))
    np.testing.assert_allclose(whole.log_probability, log_probability, atol=1e-5)
    assert whole.most_probable.tolist() == most_probable.tolist()
    shared = join(row.before(20), other.after(20))
    scorer.score(shared.before(30), shared.after(30))  # the cache goes back to what both begin with
    rest = scorer.score(row.before(25), row.after(25))
    np.testing.assert_allclose(rest.log_probability, log_probability[24:], atol=1e-5)
    assert rest.total == pytest.approx(log_probability[24:].sum(), abs=1e-4)


def test_the_most_probable_continuation_is_known_as_such(scorer: TokenScorer) -> None:
    row = text_row(draw_row(2).tokens)
    best = max(range(64), key=lambda token: scorer.score(row, text_row([token])).total)
    assert scorer.score(row, text_row([best])).most_probable.tolist() == [True]
    assert scorer.score(row, text_row([(best + 1) % 64])).most_probable.tolist() == [False]


def test_a_text_after_nothing_is_refused(scorer: TokenScorer) -> None:
    with pytest.raises(ValueError, match="context: is empty"):
        scorer.score(text_row([]), text_row([1]))
