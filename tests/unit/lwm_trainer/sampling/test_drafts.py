"""Guesses change no answer, and spare steps: every answer is the one of plain decoding, token for token."""

from collections.abc import Sequence
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lwm_trainer.config import Frames, Model, Vision
from lwm_trainer.sampling.drafts import NONE, Drafts, next_drafts
from lwm_trainer.sampling.engine import Engine
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.grammar import GrammarState, Limits, text_grammar
from lwm_trainer.sampling.parameters import for_generation
from lwm_trainer.sampling.piece import Piece
from lwm_trainer.sampling.prompt import TokenRow
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings
from lwm_trainer.sampling.vocabulary import Vocabulary, make_vocabulary
from support.byte_tokenizer import byte_tokenizer
from support.tiny_models import one_device_mesh, random_params

MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264, vision=Vision(vocab_size=16))
FRAME, ROWS, GUESSES = 3, 4, 5
GREEDY, HOT = Filters(temperature=0), Filters(temperature=5.0)
PLACES = 16


@cache
def vocabulary() -> Vocabulary:
    return make_vocabulary(MODEL, byte_tokenizer("<vision>", "</vision>"), Frames(tokens_per_frame=FRAME, codebook_size=8))


@cache
def generator(draft_tokens: int) -> Generator:
    mesh = one_device_mesh()
    engine = Engine(MODEL, 1e4, for_generation(MODEL, random_params(MODEL, mesh)), mesh, 16)
    return Generator(engine, vocabulary(), context_length=160, rows=ROWS, draft_tokens=draft_tokens)


def prompt(text: str, opened: Sequence[Sequence[int]] | None = None) -> TokenRow:
    return vocabulary().prompt(text, opened=opened)


def answers(requests: Sequence[Request], draft_tokens: int) -> tuple[list[list[Piece]], int]:
    """The answers, and the steps that they took."""
    generator(draft_tokens).forget()
    made: list[list[Piece]] = [[] for _ in requests]
    steps = list(generator(draft_tokens).generate(requests, top=2))
    for piece in (piece for pieces in steps for piece in pieces):
        made[piece.request].append(piece)
    return made, len(steps)


def ask(words: str, opened: Sequence[Sequence[int]] | None = None, **settings: object) -> Request:
    return Request(prompt(words, opened), Settings(**{"max_tokens": 60, **settings}))  # type: ignore[arg-type]


FRAMES = {"min_frames": 9, "max_frames": 9, "only_vision": True}
QUOTES = "abcabcabc" * 5


@pytest.mark.parametrize(
    ("requests", "share"),
    [
        pytest.param([ask(QUOTES, text=GREEDY)], 0.4, id="an-answer-that-quotes-itself"),
        pytest.param([ask("hello", seed=seed) for seed in (1, 2, 3)], 1, id="text-at-temperature-1"),
        pytest.param([ask("hello", seed=seed, text=HOT, min_frames=2, max_frames=5) for seed in range(4)], 1, id="text-that-opens-spans"),
        pytest.param([ask("x", [], vision=GREEDY, **FRAMES)], 0.85, id="greedy-frames"),
        pytest.param([ask("x", [], seed=seed, **FRAMES) for seed in range(4)], 0.85, id="frames-at-temperature-1"),
        pytest.param([ask("x", [], vision=Filters(top_k=2, top_p=0.9)), ask("y", stop=("e", "t"))], 1, id="filters-and-stop-texts"),
        pytest.param([ask("b", [[1, 2, 3]], seed=6, guidance=4.0), ask("c", [], seed=7, guidance=2.0)], 1, id="guided-rows-in-a-batch"),
        pytest.param([ask("q", max_tokens=1), ask(QUOTES, text=GREEDY, max_tokens=7)], 1, id="answers-that-end-within-a-step"),
    ],
)
def test_guesses_change_no_answer_and_spare_steps(requests: list[Request], share: float) -> None:
    plain, plain_steps = answers(requests, 0)
    guessed, steps = answers(requests, GUESSES)
    for expected, got in zip(plain, guessed, strict=True):
        assert [(p.token, p.vision, p.text, p.reason) for p in got] == [(p.token, p.vision, p.text, p.reason) for p in expected]
        assert [p.log_probability for p in got] == pytest.approx([p.log_probability for p in expected], abs=1e-4)
        assert [[token for token, _, _ in p.top] for p in got] == [[token for token, _, _ in p.top] for p in expected]
    assert steps <= share * plain_steps


def test_a_stop_id_among_the_guesses_ends_the_answer() -> None:
    (plain,), _ = answers([ask(QUOTES, text=GREEDY)], 0)
    stop = plain[30].token
    (stopped,), _ = answers([ask(QUOTES, text=GREEDY, stop_ids=(stop,))], GUESSES)
    tokens = [piece.token for piece in plain]
    assert [piece.token for piece in stopped] == tokens[: tokens.index(stop) + 1]
    assert stopped[-1].reason == "stop"


def test_a_follow_up_turn_begins_with_what_was_accepted_only() -> None:
    mine = generator(GUESSES)
    first = ask(QUOTES, text=GREEDY, max_tokens=20)
    ((pieces,), _), row = answers([first], GUESSES), first.prompt
    tokens = np.append(row.tokens, np.array([piece.token for piece in pieces], np.int32))
    second = first._replace(prompt=TokenRow(tokens, np.zeros(len(tokens), np.bool_)))
    continued = [piece.token for step in mine.generate([second], top=2) for piece in step]
    assert mine.usage[0].cached == row.length + 19, "all but the last token were fed"
    assert continued == [piece.token for piece in answers([second], 0)[0][0]]


@jax.jit
def looked_up(history_BS: jax.Array, place_B: jax.Array) -> jax.Array:
    """The guesses after the last token at this place was accepted."""
    one_B, grammar = jnp.ones(1, jnp.int32), text_grammar(256, range(256))
    token_B1 = jnp.take_along_axis(history_BS, place_B[:, None], axis=1)
    drafts = Drafts(history_BS, jnp.full((1, 4), NONE))
    state, limits = GrammarState(one_B * 0, one_B * 0, one_B * 99), Limits(one_B, one_B, one_B > 0, one_B > 1)
    return next_drafts(grammar, drafts, token_B1, jnp.ones((1, 1), bool), one_B, place_B[:, None], state, limits).guess_BG


@pytest.mark.parametrize(
    ("text", "guesses"),
    [
        ("the cat. the", " cat"),
        ("one two", None),
        ("xa ya", None),  # a single token is no match
        ("ab1 ab2 ab", "2 ab"),  # the later one of two
        ("zab1 ab2 zab", "1 ab"),  # the longer one of two
        ("-=-=-=", "-=-="),  # it repeats itself beyond its end
        ("a", None),
    ],
)
def test_text_is_guessed_by_what_followed_its_last_tokens_before(text: str, guesses: str | None) -> None:
    history = np.zeros((1, PLACES), np.int32)
    history[0, : len(text)] = [ord(letter) for letter in text]
    history[0, len(text) :] = ord("=")  # what lies behind the row's end is not read
    row = np.asarray(looked_up(history, np.array([len(text) - 1], np.int32)))[0].tolist()
    assert row == ([NONE] * 4 if guesses is None else [ord(letter) for letter in guesses])
