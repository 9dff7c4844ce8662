"""Prefill and decode over a sharded cache, against the full forward pass in float32 with dense attention."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lwm_trainer.config import Mesh, Model, Vision
from lwm_trainer.model import llama
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.sampling.engine import Engine
from lwm_trainer.sampling.parameters import for_generation
from lwm_trainer.sampling.programs import Logits
from lwm_trainer.sampling.prompt import TokenRow
from support.dense_attention import dense, distance
from support.tiny_models import one_device_mesh, random_params

MODEL = Model(layers=2, width=32, heads=4, kv_heads=2, head_dim=8, mlp_width=48, vocab_size=64, vision=Vision(vocab_size=48))
THETA, CHUNK, LENGTH = 500.0, 16, 75
MESHES = [Mesh(sp=8), Mesh(fsdp=2, sp=4), Mesh(dp=2, sp=2, tp=2), Mesh(sp=2, tp=4)]


@cache
def engine(mesh: Mesh) -> Engine:
    device_mesh = make_mesh(mesh)
    return Engine(MODEL, THETA, for_generation(MODEL, random_params(MODEL, device_mesh)), device_mesh, CHUNK)


@cache
def rows() -> list[TokenRow]:
    random = np.random.default_rng(0)
    return [TokenRow(random.integers(0, 48, LENGTH).astype(np.int32), random.random(LENGTH) < 0.4) for _ in range(8)]


@cache
def expected() -> tuple[Any, Any]:
    """Scores [rows, LENGTH, vocabulary] of the whole rows, by dense attention on one device."""
    params = random_params(MODEL, one_device_mesh())
    tokens, vision = (jnp.array(np.stack(each)) for each in zip(*rows(), strict=True))
    positions = jnp.broadcast_to(jnp.arange(LENGTH), tokens.shape)

    @jax.jit
    def forward(params: Any) -> Any:
        attend = partial(dense, start=jnp.zeros_like(tokens))
        return llama.hidden_states(MODEL, params, tokens, positions, THETA, attend, lambda x: x, vision_BT=vision)

    hidden = forward(params)
    return np.asarray(hidden @ llama.head(MODEL, params)), np.asarray(hidden @ llama.vision_head(params))


def arrays(scores: Logits) -> list[Any]:
    return [np.asarray(each) for each in scores]


@pytest.mark.parametrize("mesh", MESHES, ids=lambda mesh: "-".join(f"{k}{v}" for k, v in mesh.model_dump().items() if (v or 1) > 1))
def test_prefill_and_decode_equal_the_full_forward_pass(mesh: Mesh) -> None:
    made = engine(mesh)
    state = made.new_rows(3, 80)
    prompts = [37, 5, 48]  # within a chunk, shorter than one, whole chunks
    places = prompts.copy()
    scores = arrays(
        made.logits(made.prefill(state, [TokenRow(row.tokens[:n], row.vision[:n]) for row, n in zip(rows(), prompts, strict=False)]))
    )
    for row, place in enumerate(places):
        for ours, dense_scores in zip(scores, expected(), strict=True):
            assert distance(ours[row], dense_scores[row, place - 1]) <= 1e-5
    count, width = len(state.lengths), 3
    for step in range(4):
        token, vision, live = np.zeros((count, width), np.int32), np.zeros((count, width), bool), np.zeros((count, width), bool)
        for row, place in enumerate(places):
            size = (step + row) % (width + 1)
            token[row, :size], vision[row, :size] = (array[place : place + size] for array in rows()[row])
            live[row, :size] = True
        decoded = arrays(made.decode(state, token, vision, live))
        for row in range(len(places)):
            size = int(live[row].sum())
            for ours, dense_scores in zip(decoded, expected(), strict=True):
                if size:
                    assert distance(ours[row, :size], dense_scores[row, places[row] : places[row] + size]) <= 1e-5
            places[row] += size
    assert state.lengths[:3].tolist() == places


def test_a_row_goes_on_from_any_place_and_can_be_set_back() -> None:
    made = engine(Mesh(fsdp=2, sp=4))
    state = made.new_rows(1, 80)
    row = rows()[0]
    made.prefill(state, [TokenRow(row.tokens[:21], row.vision[:21])])
    wrong = TokenRow(row.tokens[30:60][::-1].copy(), row.vision[30:60])
    made.prefill(state, [wrong])
    state.lengths = np.minimum(state.lengths, 19)
    scores = arrays(made.logits(made.prefill(state, [TokenRow(row.tokens[19:70], row.vision[19:70])])))
    for ours, dense_scores in zip(scores, expected(), strict=True):
        assert distance(ours[0], dense_scores[0, 69]) <= 1e-5


def test_one_program_prefills_prompts_of_any_length() -> None:
    made = engine(Mesh(sp=8))
    made.programs.prefill.clear_cache()  # type: ignore[attr-defined]
    for length in (1, 16, 70):
        made.prefill(made.new_rows(1, 80), [TokenRow(rows()[0].tokens[:length], rows()[0].vision[:length])])
    assert made.programs.prefill._cache_size() == 1  # type: ignore[attr-defined]


def test_a_row_longer_than_the_cache_is_refused_before_anything_is_computed() -> None:
    made = engine(Mesh(sp=8))
    state = made.new_rows(1, 64)
    with pytest.raises(ValueError, match="row 0: 75 tokens are more than the 64 of the cache"):
        made.prefill(state, [rows()[0]])
    assert state.lengths.tolist() == [0]


def test_each_device_holds_its_part_of_the_cache_only_whose_bytes_are_linear_in_tokens() -> None:
    token_bytes = MODEL.layers * 2 * MODEL.kv_heads * MODEL.head_dim * 4
    for tokens in (80, 160, 1600):
        state = engine(Mesh(sp=4, tp=2)).new_rows(1, tokens)
        assert {shard.data.shape for shard in state.caches[0].k_BKSC.addressable_shards} == {(1, 1, tokens // 4, 8)}
        of_device = [x.addressable_shards[0].data.nbytes for layer in state.caches for x in layer]
        assert sum(of_device) == tokens * token_bytes // 8
