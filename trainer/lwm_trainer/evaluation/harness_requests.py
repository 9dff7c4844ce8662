"""What lm-evaluation-harness asks of a model: how probable a continuation is, how probable a text is, and what follows a prompt.

The rules are the harness's own (lm_eval/api/model.py, 0.4.13): spaces that end a context belong to the continuation, both are tokenized
together, and a text that is longer than the context is scored in windows, each token once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lwm_trainer.evaluation.suite import SuiteError
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.prompt import TokenRow, join
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings
from lwm_trainer.sampling.token_scores import TokenScorer, TokenScores
from lwm_trainer.sampling.vocabulary import Vocabulary

ANSWER_TOKENS = 256
"""Tokens of an answer where a task names no number: the harness's default."""
_LIMITS = "max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"
"""Names of that number, the first one that is there counts."""
_DRAWING = "temperature", "top_k", "top_p", "min_p"
_KNOWN = {*_LIMITS, *_DRAWING, "until", "do_sample"}


Score = Callable[[TokenRow, TokenRow], TokenScores]
"""A context and a continuation to the scores of the latter."""
Generate = Callable[[Request], str]


class Window(NamedTuple):
    """A part of a long text: the tokens `scored` after those of `context`, as places in the text."""

    context: int
    begin: int
    end: int


class HarnessRequests:
    """Answers the requests one after the other."""

    def __init__(self, vocabulary: Vocabulary, context_length: int, score: Score, generate: Generate) -> None:
        self._vocabulary, self._context, self._score, self._generate = vocabulary, context_length, score, generate
        self.cut = 0
        """Contexts that were too long, so that their beginnings were left out."""

    def log_likelihood(self, context: str, continuation: str) -> tuple[float, bool]:
        """The log-probability of the continuation in nats, and whether each of its tokens is the most probable one.

        Raises SuiteError for a continuation without tokens, or longer than the model's context.
        """
        kept = context.rstrip()
        continuation = context[len(kept) :] + continuation
        before = self._vocabulary.encode(kept)
        scored = self._vocabulary.encode(kept + continuation).after(before.length)
        if not scored.length:
            raise SuiteError(f"continuation {continuation!r}: has no token of its own behind its context: change the task's choices")
        room = self._context - scored.length - 1
        if room < 0:
            raise SuiteError(f"a continuation has {scored.length} tokens, more than the model's context of {self._context}")
        scores = self._score(join(self._vocabulary.begin(), self._last(before, room)), scored)
        return scores.total, bool(scores.most_probable.all())

    def text_log_likelihood(self, text: str) -> float:
        """The log-probability of all tokens of a text, in nats; 0 for an empty one."""
        tokens = self._vocabulary.encode(text)
        total = 0.0
        for window in windows(tokens.length, self._context):
            begin = [self._vocabulary.begin()] if window.begin == 0 else []
            context = join(*begin, tokens.before(window.begin).after(window.context))
            total += self._score(context, tokens.before(window.end).after(window.begin)).total
        return total

    def answer(self, prompt: str, options: Mapping[str, Any]) -> str:
        """The text that follows, up to a stop text, the end of the document, or the number of tokens.

        Args:
            options: the harness's `generation_kwargs`. Raises SuiteError for one that is not known, and for a wrong value.
        """
        settings = answer_settings(options, self._vocabulary.end_id)
        room = self._context - settings.max_tokens - 1
        if room < 1:
            raise SuiteError(f"max_gen_toks: {settings.max_tokens} tokens leave no room for a prompt in {self._context}: give fewer")
        return self._generate(Request(join(self._vocabulary.begin(), self._last(self._vocabulary.encode(prompt), room)), settings))

    def _last(self, tokens: TokenRow, room: int) -> TokenRow:
        """The last `room` tokens; counts where some are left out."""
        if tokens.length <= room:
            return tokens
        self.cut += 1
        return tokens.after(tokens.length - room)


def harness_requests(generator: Generator) -> HarnessRequests:
    """The requests answered by a generator; what a text has in common with the one before is not computed again."""

    def generate(request: Request) -> str:
        return "".join(piece.text for pieces in generator.generate([request]) for piece in pieces)

    return HarnessRequests(generator.vocabulary, generator.context_length, TokenScorer(generator.engine).score, generate)


def windows(tokens: int, context: int) -> Iterator[Window]:
    """The windows of a text: each but the first has `context` tokens, of which the last ones are scored, and every token is scored once.

    The first one begins with the token that begins a document, and the last one reaches back as far as the context allows.
    """
    end = 0
    while end < tokens:
        begin, end = end, min(end + context - 1, tokens)
        yield Window(max(0, end - context) if begin else 0, begin, end)


def answer_settings(options: Mapping[str, Any], end_id: int) -> Settings:
    """The harness's `generation_kwargs` as settings; greedy where it says nothing. Raises SuiteError, which names the option."""
    if unknown := sorted(set(options) - _KNOWN):
        raise SuiteError(f"generation_kwargs: {', '.join(unknown)} is not supported: known are {', '.join(sorted(_KNOWN))}")
    until = options.get("until") or []
    stop: Sequence[str] = [until] if isinstance(until, str) else until
    limits = [int(options[name]) for name in _LIMITS if options.get(name) is not None]
    drawing = {name: options[name] for name in _DRAWING if options.get(name) is not None}
    if options.get("do_sample") is False or not drawing.get("temperature"):
        drawing = {"temperature": 0.0}
    return Settings(
        max_tokens=limits[0] if limits else ANSWER_TOKENS,
        text=Filters(**drawing),
        stop=tuple(text for text in stop if text),
        stop_ids=(end_id,),
        may_show=False,
    )
