"""Samples begin as the texts do, and leave room for the answer."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lwm_cli.report.samples import ANSWER_TOKENS, MOST, PROMPT_TOKENS, continuations
from lwm_trainer.config import Frames, Model
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.vocabulary import make_vocabulary
from quickstart.tokenizer.train import PATH

MODEL = Model(layers=1, width=8, heads=1, kv_heads=1, head_dim=8, mlp_width=8, vocab_size=2048)
TEXT = "And God said, Let there be light: and there was light. " * 40


class Fake:
    """A generator that answers with two words, and keeps the requests."""

    def __init__(self, context_length: int) -> None:
        self.vocabulary = make_vocabulary(MODEL, Tokenizer.load(str(PATH), 2048), Frames())
        self.context_length, self.requests = context_length, list[Request]()

    def generate(self, requests: Sequence[Request]) -> Iterator[list[Any]]:
        self.requests += requests
        yield from ([SimpleNamespace(text=text)] for text in (" an", " answer"))


@pytest.mark.parametrize(("context", "begin", "answer"), [(1024, PROMPT_TOKENS, ANSWER_TOKENS), (64, 32, 31)])
def test_a_sample_has_the_beginning_the_answer_and_as_much_of_the_text(context: int, begin: int, answer: int) -> None:
    fake = Fake(context)
    made = list(continuations(cast("Generator", fake), [TEXT] * (MOST + 1)))
    assert len(made) == MOST
    assert TEXT.startswith(made[0].prompt + made[0].true)
    assert made[0].answer == " an answer"
    request = fake.requests[0]
    assert (request.prompt.length, request.settings.max_tokens) == (1 + begin, answer)
    assert request.settings.text.temperature == 0


def test_a_short_text_is_continued_from_its_middle() -> None:
    (sample,) = continuations(cast("Generator", Fake(1024)), ["And God said"])
    assert sample.prompt + sample.true == "And God said"
    assert sample.prompt
    assert sample.true
