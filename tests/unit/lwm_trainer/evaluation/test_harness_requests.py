"""Requests of lm-evaluation-harness: what is scored after what, and what its options mean."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm_trainer.config import Frames, Model
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.evaluation.harness_requests import ANSWER_TOKENS, HarnessRequests, answer_settings, windows
from lwm_trainer.evaluation.suite import SuiteError
from lwm_trainer.sampling.prompt import TokenRow
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.token_scores import TokenScores
from lwm_trainer.sampling.vocabulary import Vocabulary, make_vocabulary
from quickstart.tokenizer.train import PATH

MODEL = Model(layers=1, width=8, heads=1, kv_heads=1, head_dim=8, mlp_width=8, vocab_size=2048)
TEXT = "In the beginning God created the heaven and the earth."


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return make_vocabulary(MODEL, Tokenizer.load(str(PATH), 2048), Frames())


class Fake:
    """A model whose tokens have log-probabilities of their own, whatever is before them, and the requests that it was asked."""

    def __init__(self, vocabulary: Vocabulary, context: int) -> None:
        self.scored: list[tuple[list[int], list[int]]] = []
        self.asked: list[Request] = []
        self.requests = HarnessRequests(vocabulary, context, self._score, self._generate)

    def _score(self, context: TokenRow, continuation: TokenRow) -> TokenScores:
        self.scored.append((context.tokens.tolist(), continuation.tokens.tolist()))
        return TokenScores(-continuation.tokens.astype(np.float32) / np.float32(64), continuation.tokens % 2 == 0)

    def _generate(self, request: Request) -> str:
        self.asked.append(request)
        return "an answer"


@given(st.integers(0, 400), st.integers(2, 60))
def test_windows_score_every_token_once_with_as_much_before_it_as_there_is_room_for(tokens: int, context: int) -> None:
    made = list(windows(tokens, context))
    assert [place for window in made for place in range(window.begin, window.end)] == list(range(tokens))
    for window in made:
        begins = int(window.begin == 0)  # the token that begins a document
        assert begins + window.end - window.context <= context
        assert window.begin == 0 or window.context < window.begin
    if len(made) > 1:
        assert made[-1].end - made[-1].context == min(context, tokens)


def test_a_long_text_has_the_log_likelihood_of_all_its_tokens(vocabulary: Vocabulary) -> None:
    tokens = vocabulary.encode(TEXT).tokens
    wanted = -float(tokens.sum()) / 64
    for context in (5, 8, 1000):
        fake = Fake(vocabulary, context)
        assert fake.requests.text_log_likelihood(TEXT) == pytest.approx(wanted)
        assert fake.scored[0][0] == vocabulary.begin().tokens.tolist()
        assert all(vocabulary.begin().tokens[0] not in before for before, _ in fake.scored[1:])
    assert Fake(vocabulary, 5).requests.text_log_likelihood("") == 0


def test_spaces_that_end_a_context_belong_to_the_continuation(vocabulary: Vocabulary) -> None:
    with_space, without = Fake(vocabulary, 100), Fake(vocabulary, 100)
    likelihood = with_space.requests.log_likelihood("In the beginning ", "God")
    assert likelihood == without.requests.log_likelihood("In the beginning", " God")
    assert with_space.scored == without.scored
    ((context, continuation),) = without.scored
    assert [*context, *continuation] == [*vocabulary.begin().tokens, *vocabulary.encode("In the beginning God").tokens]


def test_a_continuation_is_greedy_where_all_its_tokens_are_the_most_probable(vocabulary: Vocabulary) -> None:
    fake = Fake(vocabulary, 100)
    results = [fake.requests.log_likelihood("", letter)[1] for letter in "abcd"]
    assert results == [int(vocabulary.encode(letter).tokens[0]) % 2 == 0 for letter in "abcd"]
    assert set(results) == {True, False}


def test_a_long_context_loses_its_beginning_and_is_counted(vocabulary: Vocabulary) -> None:
    fake = Fake(vocabulary, 8)
    fake.requests.log_likelihood(TEXT, " Amen")
    ((context, continuation),) = fake.scored
    assert len(context) + len(continuation) == 8
    assert context[1:] == vocabulary.encode(TEXT).tokens.tolist()[-len(context) + 1 :]
    fake.requests.answer(TEXT, {"max_gen_toks": 3})
    assert fake.requests.cut == 2
    assert fake.asked[0].prompt.length == 8 - 3


@pytest.mark.parametrize(
    ("context", "continuation", "message"),
    [("In the beginning", "", "has no token of its own"), ("In", f" {TEXT}", "more than the model's context of 8")],
)
def test_what_cannot_be_scored_is_an_error(vocabulary: Vocabulary, context: str, continuation: str, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        Fake(vocabulary, 8).requests.log_likelihood(context, continuation)


def test_an_answer_that_leaves_no_room_for_its_prompt_is_an_error(vocabulary: Vocabulary) -> None:
    with pytest.raises(SuiteError, match="max_gen_toks: 256 tokens leave no room"):
        Fake(vocabulary, 200).requests.answer(TEXT, {})


@pytest.mark.parametrize(
    ("options", "tokens", "temperature", "stop"),
    [
        ({}, ANSWER_TOKENS, 0.0, ()),
        ({"until": "\n", "max_gen_toks": 7}, 7, 0.0, ("\n",)),
        ({"until": ["a", ""], "max_tokens": 7}, 7, 0.0, ("a",)),
        ({"until": None, "temperature": 0.5, "do_sample": True}, ANSWER_TOKENS, 0.5, ()),
        ({"temperature": 0.5, "do_sample": False}, ANSWER_TOKENS, 0.0, ()),
    ],
)
def test_generation_options_are_the_harness_s(options: dict[str, Any], tokens: int, temperature: float, stop: tuple[str, ...]) -> None:
    settings = answer_settings(options, 2)
    assert (settings.max_tokens, settings.text.temperature, settings.stop) == (tokens, temperature, stop)
    assert settings.stop_ids == (2,)


def test_an_unknown_generation_option_is_an_error() -> None:
    with pytest.raises(SuiteError, match="generation_kwargs: num_beams is not supported"):
        answer_settings({"num_beams": 4}, 2)
