"""`make bench-generation`: prefill beside the forward pass of training, decode alone, in a batch, by guesses, guidance, shared prompts.

One CPU device of this machine. Prints a table and writes build/benchmarks/generation.json.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks import timing
from benchmarks.measurements import Measurement, number
from benchmarks.trainer_benchmark import TrainerBenchmark
from devcluster.run import say
from lwm_trainer import config
from lwm_trainer.model import llama
from lwm_trainer.parallel.mesh import RING_AXES, make_mesh, shardings
from lwm_trainer.ring.attention import ring_attention
from lwm_trainer.sampling.engine import Engine
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.parameters import for_generation
from lwm_trainer.sampling.prompt import TokenRow, text_row
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings
from lwm_trainer.sampling.vocabulary import make_vocabulary

VISION = config.Vision(vocab_size=1040)
FRAMES = config.Frames(tokens_per_frame=64, codebook_size=1024)
MODEL = config.Model(layers=4, width=256, heads=4, kv_heads=2, head_dim=64, mlp_width=704, vocab_size=2048, vision=VISION)
THETA = 500_000.0
QUESTIONS, QUESTION_TOKENS = 20, 16
BATCH = 8
DRAFT_TOKENS = 7


class Sizes(NamedTuple):
    prompt: int
    """Tokens of a prompt."""
    answer: int
    """Tokens of an answer."""
    frames: int
    """Frames of an answer with guidance."""
    budget: float
    """Seconds of a contest, if its least number of rounds fits into them."""


@cache
def _parameters() -> Any:
    placed = shardings(make_mesh(config.Mesh()), llama.logical_axes(MODEL))
    return jax.jit(partial(llama.init, MODEL), out_shardings=placed)(jax.random.key(0))


@cache
def _engine() -> Engine:
    return Engine(MODEL, THETA, for_generation(MODEL, jax.tree.map(jnp.copy, _parameters())), make_mesh(config.Mesh()))


def _generator(context: int, draft_tokens: int = 0) -> Generator:
    vocabulary = make_vocabulary(MODEL, letters(), FRAMES)
    return Generator(_engine(), vocabulary, context, draft_tokens=draft_tokens)


class _Letters:
    """Stands for a tokenizer: each token is a letter."""

    vocabulary_size, begin_id, end_id = MODEL.vocab_size, 0, 1
    special_ids = {"<vision>": 2, "</vision>": 3}  # noqa: RUF012

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(0x4E00 + token) for token in ids)


def letters() -> Any:
    """A tokenizer whose tokens are letters."""
    return _Letters()


def _prompt(tokens: int, seed: int = 0) -> TokenRow:
    return text_row(np.random.default_rng(seed).integers(4, MODEL.vocab_size, tokens).astype(np.int32))


def prefill(sizes: Sizes) -> list[Measurement]:
    """Tokens per second of a prompt in chunks, against the forward pass of training over the whole row."""
    engine, row, mesh = _engine(), _prompt(sizes.prompt), make_mesh(config.Mesh())
    state = engine.new_rows(1, sizes.prompt)

    @jax.jit
    def forward(params: llama.Params, token_BT: Array) -> Array:
        place_BT = jnp.arange(sizes.prompt, dtype=jnp.int32)[None]
        attend = ring_attention(mesh, RING_AXES, place_BT, jnp.zeros_like(place_BT))
        return llama.hidden_states(MODEL, params, token_BT, place_BT, THETA, attend, lambda x: x)[:, -1]

    def ours() -> Array:
        state.lengths[:] = 0
        return engine.prefill(state, [row])

    rounds, first = _contest({"ours": ours, "training": lambda: forward(_parameters(), row.tokens[None])}, sizes)
    differs = float(jnp.abs(first["ours"] - first["training"]).max() / jnp.abs(first["training"]).max())
    note = f"differ by {differs:.0e}" if differs <= 1e-4 else f"VOID: hidden states differ by {differs:.0e}"
    return [_row(f"prefill {sizes.prompt} tokens vs training's forward pass", sizes.prompt, rounds, "ours", "training", note)]


def decode(sizes: Sizes) -> list[Measurement]:
    """Tokens per second after a prompt, of one row and of a batch."""
    context = sizes.prompt + sizes.answer
    request = Request(_prompt(sizes.prompt), Settings(max_tokens=sizes.answer, may_show=False))
    batch = [request._replace(settings=replace(request.settings, seed=seed)) for seed in range(BATCH)]
    calls = {"one": partial(answer, _generator(context), [request]), "batch": partial(answer, _generator(context), batch)}
    rounds, _ = _contest(calls, sizes)  # after the first call the rows hold the prompt, and only steps are left
    name = f"decode after {sizes.prompt} tokens"
    single = _row(f"{name}, 1 row", sizes.answer, rounds, "one", None, "")
    many = _row(f"{name}, {BATCH} rows vs 1", BATCH * sizes.answer, rounds, "batch", None, "ratio of tokens/s")
    return [single, replace(many, ratio=BATCH * timing.ratio(rounds, "batch", "one"))]


def drafts(sizes: Sizes) -> list[Measurement]:
    """Tokens per second with guesses against the same without: greedy text, which repeats itself; text at temperature 1, where no guess is
    right; frames at both temperatures. The parameters are random: a trained model's share of right guesses is another one."""
    tokens = FRAMES.tokens_per_frame * sizes.frames + sizes.frames + 1
    text, prompt = Settings(max_tokens=sizes.answer, may_show=False), _prompt(sizes.prompt)
    shown = Settings(max_tokens=tokens, min_frames=sizes.frames, max_frames=sizes.frames, only_vision=True)
    opened = TokenRow(np.append(prompt.tokens[:-1], np.int32(2)), prompt.vision)
    greedy = Filters(temperature=0)
    cases = {
        "greedy text": Request(prompt, replace(text, text=greedy)),
        "text at temperature 1": Request(prompt, text),
        f"{sizes.frames} greedy frames": Request(opened, replace(shown, vision=greedy)),
        f"{sizes.frames} frames at temperature 1": Request(opened, shown),
    }
    plain, guessing = (_generator(sizes.prompt + max(sizes.answer, tokens), count) for count in (0, DRAFT_TOKENS))
    rows = []
    for name, request in cases.items():
        calls = {"guesses": partial(answer, guessing, [request]), "plain": partial(answer, plain, [request])}
        rounds, first = _contest(calls, sizes)
        steps = sum(1 for _ in guessing.generate([request]))
        same = first["guesses"] == first["plain"]
        note = f"{len(first['plain']) / steps:.1f} tokens a step" if same else "VOID: other tokens"
        rows.append(_row(f"{name} with {DRAFT_TOKENS} guesses a step vs none", len(first["plain"]), rounds, "guesses", "plain", note))
    return rows


def guidance(sizes: Sizes) -> list[Measurement]:
    """Frames with guidance, against the same without: two rows in one batch."""
    tokens = sizes.frames * (FRAMES.tokens_per_frame + 1) + 1
    prompt = TokenRow(np.append(_prompt(sizes.prompt - 1).tokens, np.int32(2)), np.zeros(sizes.prompt, np.bool_))
    settings = Settings(max_tokens=tokens, min_frames=sizes.frames, max_frames=sizes.frames, only_vision=True)
    guided, plain = Request(prompt, replace(settings, guidance=3.0)), Request(prompt, settings)
    context = sizes.prompt + tokens
    calls = {"guided": partial(answer, _generator(context), [guided]), "plain": partial(answer, _generator(context), [plain])}
    rounds, _ = _contest(calls, sizes)
    return [_row(f"{sizes.frames} frames with guidance vs without", tokens, rounds, "guided", "plain", "a pair in one batch")]


def questions(sizes: Sizes) -> list[Measurement]:
    """Questions on one text in one batch, against a prefill for each."""
    text = _prompt(sizes.prompt).tokens
    rows = [text_row(np.concatenate([text, _prompt(QUESTION_TOKENS, seed).tokens])) for seed in range(1, QUESTIONS + 1)]
    requests = [Request(row, Settings(max_tokens=4, may_show=False)) for row in rows]
    shared, alone = (_generator(sizes.prompt + QUESTION_TOKENS + 4) for _ in range(2))

    def together() -> list[int]:
        shared.forget()
        return answer(shared, requests)

    def one_by_one() -> list[int]:
        answers = []
        for request in requests:
            alone.forget()
            answers += answer(alone, [request])
        return answers

    rounds, _ = _contest({"together": together, "alone": one_by_one}, sizes)
    name = f"{QUESTIONS} questions on {sizes.prompt} tokens vs {QUESTIONS} prefills"
    return [_row(name, sum(row.length for row in rows), rounds, "together", "alone", "")]


def _contest(calls: Mapping[str, Callable[[], Any]], sizes: Sizes) -> tuple[list[timing.Round], dict[str, Any]]:
    """Turns of the calls after one of each, which compiles."""
    for call in calls.values():
        call()
    return timing.rounds(calls, sizes.budget)


def answer(generator: Generator, requests: Sequence[Request]) -> list[int]:
    """The tokens of the answers, step by step."""
    return [piece.token for pieces in generator.generate(requests) for piece in pieces]


def _row(name: str, tokens: int, rounds: Sequence[timing.Round], ours: str, peer: str | None, note: str) -> Measurement:
    row = Measurement(
        name=name,
        value=None if note.startswith("VOID") else tokens / timing.seconds(rounds, ours),
        unit="tokens/s",
        ratio=None if peer is None else timing.ratio(rounds, ours, peer),
        note=f"rounds: {len(rounds)}{'; ' if note else ''}{note}",
    )
    say(f"  {row.name}: {number(row.value)} tokens/s, ratio {number(row.ratio)}")
    return row


PARTS: dict[str, Callable[[Sizes], list[Measurement]]] = {
    "prefill": prefill,
    "decode": decode,
    "drafts": drafts,
    "guidance": guidance,
    "questions": questions,
}
BENCHMARK = TrainerBenchmark(
    name="generation",
    about=__doc__,
    parts=PARTS,
    full=Sizes(prompt=8192, answer=256, frames=4, budget=30.0),
    quick=Sizes(prompt=1024, answer=64, frames=1, budget=3.0),
    sample="a short prompt, few rounds: a sample; most of its minutes are the compiler's",
    longest_minutes=20,
)


if __name__ == "__main__":
    sys.exit(BENCHMARK.main(sys.argv[1:]))
