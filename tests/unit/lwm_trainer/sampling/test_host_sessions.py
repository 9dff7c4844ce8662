"""Conversations that lost their rows go on from host memory as if they had kept them, within a number of bytes."""

import jax
import numpy as np
import pytest
from jax import Array

from lwm_trainer.config import Mesh, Model
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.ring.cached_attention import KeysAndValues
from lwm_trainer.sampling.engine import Engine
from lwm_trainer.sampling.host_sessions import HostSessions
from lwm_trainer.sampling.parameters import for_generation
from lwm_trainer.sampling.programs import Caches
from lwm_trainer.sampling.prompt import TokenRow, text_row
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings
from support.served_model import tiny_generator
from support.tiny_models import random_params

MODEL = Model(layers=2, width=16, heads=4, kv_heads=2, head_dim=8, mlp_width=16, vocab_size=64)
BLOCK = 256


def random_row(tokens: int, seed: int) -> TokenRow:
    return text_row(np.random.default_rng(seed).integers(0, 64, tokens).astype(np.int32))


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The mesh divides rows, tokens and heads by two each."""
    device_mesh = make_mesh(Mesh(dp=2, sp=2, tp=2))
    return Engine(MODEL, 1e4, for_generation(MODEL, random_params(MODEL, device_mesh)), device_mesh, 64)


def block_bytes() -> int:
    """Both copies of a block that the mesh holds."""
    return 2 * BLOCK * MODEL.layers * 2 * MODEL.kv_heads * MODEL.head_dim * 4


def test_a_row_that_comes_back_is_what_it_was(engine: Engine) -> None:
    sessions, rows, row = HostSessions(engine, 1 << 30), engine.new_rows(2, 640), random_row(600, 0)
    shape = rows.caches[0].k_BKSC.shape
    before = [np.random.default_rng(number).random((2, *shape), np.float32) for number in range(MODEL.layers)]
    rows.caches = [KeysAndValues(*(jax.device_put(x, engine.programs.cache_sharding) for x in layer)) for layer in before]
    sessions.save(rows, 1, row)
    assert sessions.bytes == 2 * block_bytes(), "whole blocks only"
    assert sessions.length(row) == 2 * BLOCK
    empty = engine.new_rows(2, 640)
    sessions.restore(empty, 0, row, 2 * BLOCK)
    assert empty.lengths.tolist() == [2 * BLOCK, 0]
    slots = np.arange(640) % 320 < BLOCK  # those of the first 512 places on both ranks
    for layer, kept in zip(empty.caches, before, strict=True):
        for ours, theirs in zip(layer, kept, strict=True):
            assert np.array_equal(np.asarray(ours)[0][:, slots], theirs[1][:, slots])
            assert not np.asarray(ours)[1].any()


def test_blocks_are_shared_and_those_used_longest_ago_give_way_from_the_end(engine: Engine) -> None:
    sessions, rows = HostSessions(engine, 3 * block_bytes()), engine.new_rows(2, 640)
    first, second = random_row(600, 1), random_row(600, 2)
    begins_alike = TokenRow(np.concatenate([first.tokens[:BLOCK], second.tokens]), np.zeros(856, np.bool_))
    sessions.save(rows, 0, first)
    sessions.save(rows, 1, begins_alike.before(2 * BLOCK))
    assert sessions.bytes == 3 * block_bytes(), "the first block is one"
    sessions.save(rows, 1, second.before(BLOCK))
    assert [sessions.length(row) for row in (first, begins_alike, second)] == [BLOCK, 2 * BLOCK, BLOCK]
    other = first._replace(vision=np.ones(600, np.bool_))
    assert sessions.length(other) == 0, "the same numbers of the other vocabulary are other tokens"
    assert sessions.length(first.before(BLOCK)) == 0, "the last token is left to compute"


def test_of_a_conversation_longer_than_the_memory_no_more_than_its_beginning_is_copied(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, rows, row = HostSessions(engine, 2 * block_bytes()), engine.new_rows(2, 1664), random_row(1600, 3)
    take, taken = sessions._take, list[int]()

    def counted(caches: Caches, number: int, slot: int) -> Array:
        taken.append(slot)
        block: Array = take(caches, number, slot)
        return block

    monkeypatch.setattr(sessions, "_take", counted)
    sessions.save(rows, 1, random_row(BLOCK, 4))
    sessions.save(rows, 0, row)
    assert len(taken) == 1 + 3, "of six blocks"
    assert (sessions.bytes, sessions.length(row)) == (2 * block_bytes(), 2 * BLOCK)
    sessions.save(rows, 0, row)
    assert (sessions.bytes, sessions.length(row)) == (2 * block_bytes(), 2 * BLOCK)


def test_conversations_that_take_turns_in_one_row_answer_as_those_that_keep_theirs() -> None:
    mine = tiny_generator(host_bytes=1 << 30)
    answers, cached = {}, []
    for turn in range(2):
        for name in "ab":
            prompt = mine.vocabulary.prompt(name * 300 + "!" * turn)
            settings = Settings(max_tokens=6, text=Filters(temperature=0), may_show=False)
            answers[name, turn] = [piece.token for step in mine.generate([Request(prompt, settings)]) for piece in step], prompt
            cached.append(mine.usage[0].cached)
    assert cached == [0, 1, BLOCK, BLOCK], "both begin with the token that begins a document"
    alone = tiny_generator()
    for (name, turn), (tokens, prompt) in answers.items():
        alone.forget()
        settings = Settings(max_tokens=6, text=Filters(temperature=0), may_show=False)
        assert [piece.token for step in alone.generate([Request(prompt, settings)]) for piece in step] == tokens, (name, turn)
