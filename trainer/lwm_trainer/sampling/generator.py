"""Answers to requests, token by token: prefill of what the cache does not hold yet, then steps until every row has ended."""

from collections import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from jax import Array

from lwm_trainer.data.encoding.vision import OPENING
from lwm_trainer.sampling.detokenizer import Detokenizer
from lwm_trainer.sampling.engine import Engine, Progress, Rows, no_progress
from lwm_trainer.sampling.kept_rows import WORTH_COPYING, arrange, reusable_length
from lwm_trainer.sampling.prompt import TokenRow, join, text_row
from lwm_trainer.sampling.row_arrays import Request, row_settings, row_state, rows_of
from lwm_trainer.sampling.settings import SettingsError
from lwm_trainer.sampling.step import Drawn, as_arrays, make_steps
from lwm_trainer.sampling.vocabulary import Vocabulary

Reason = Literal["stop", "length"]
"""Why an answer ended: a stop id, a stop text or the end of its only vision span; or its most tokens."""


class Piece(NamedTuple):
    """One token of an answer."""

    request: int
    """Number of the request."""
    token: int
    vision: bool
    text: str
    """The text that became certain with this token. It may lag behind the tokens, and is empty for vision."""
    log_probability: float
    top: list[tuple[int, bool, float]]
    """The most probable tokens in its place: token, whether it is of the vision vocabulary, log-probability."""
    reason: Reason | None
    """Why the answer ends with this token; None where it goes on."""
    stopped_by_text: bool
    """Whether a stop text ended it, so that tokens of that text are among the answer's."""


class Usage(NamedTuple):
    """Tokens of a request's prompt."""

    prompt: int
    cached: int
    """Those that the cache held already."""


@dataclass(slots=True)
class _Answer:
    """An answer under way."""

    request: Request
    detokenizer: Detokenizer
    tokens: list[tuple[int, bool]] = field(default_factory=list)
    in_span: bool = False
    """Whether the last token belongs to a vision span."""
    ended: bool = False


class Generator:
    """Answers batches of requests. What the rows of the cache hold is kept for the next batch, as far as its prompts begin with it."""

    def __init__(self, engine: Engine, vocabulary: Vocabulary, context_length: int, *, reserve: bool = True, rows: int = 1) -> None:
        """A generator with an empty cache.

        Args:
            reserve: whether the cache has room for whole contexts from the beginning, or for what the requests need, each time anew.
            rows: rows of the cache, at least.
        """
        self.engine, self.vocabulary, self.context_length, self._reserve = engine, vocabulary, context_length, reserve
        self._least_rows = rows
        self._steps = make_steps(engine.programs, vocabulary.grammar)
        self._rows: Rows | None = None
        self._contents: list[TokenRow] = []
        self.usage: list[Usage] = []
        """The prompts of the last batch, by row: requests come first."""

    def check(self, request: Request) -> None:
        """Raises SettingsError for a request that cannot be answered, before anything is computed."""
        rows_of([request], self.vocabulary)
        length, most = request.prompt.length, request.settings.max_tokens
        context = self.context_length
        if length >= context:
            raise SettingsError(f"prompt: has {length} tokens, but the context has room for {context} with the answer: shorten it")
        if length + most > context:
            raise SettingsError(
                f"max_tokens is {most}, but the prompt has {length} tokens of the {context} that the context has room for: "
                f"give {context - length} or less"
            )

    def generate(
        self, requests: Sequence[Request], top: int = 0, progress: Progress = no_progress
    ) -> abc.Generator[list[Piece], None, None]:
        """Answer the requests together; each yield has the next token of every answer that has not ended.

        Args:
            top: how many of the most probable tokens come with each token.
            progress: called after each chunk of the prefill.

        Raises SettingsError before anything is computed. An answer does not depend on the other requests.
        """
        for request in requests:
            self.check(request)
        batch = rows_of(requests, self.vocabulary)
        rows = self._prepare(len(batch), max(request.prompt.length + request.settings.max_tokens for request in requests))
        self._arrange(rows, [row.prompt for row in batch])
        kept = [reusable_length(content, row.prompt) for content, row in zip(self._contents, batch, strict=False)]
        last = self._prefill(rows, [row.prompt for row in batch], kept, progress)
        mesh, count = self.engine.programs.mesh, len(rows.lengths)
        settings = as_arrays(row_settings(batch, count, self.vocabulary), mesh)
        state = as_arrays(row_state(batch, count, self.vocabulary), mesh)
        answers = [_Answer(request, self._detokenizer(request)) for request in requests]
        try:
            state, drawn = self._steps.first(self.engine.logits(last), state, settings, top)
            while True:
                former = drawn
                # The next step begins before the last one is read, so that devices need not wait for the host.
                if goes_on := any(not each.ended and len(each.tokens) + 1 < each.request.settings.max_tokens for each in answers):
                    rows.caches, state, drawn = self._steps.next(self.engine.params, rows.caches, state, settings, top)
                pieces = list(self._read(answers, former))
                yield pieces
                if not goes_on or all(answer.ended for answer in answers):
                    return
        finally:
            self._keep(answers, len(batch))

    @property
    def cache_use(self) -> float:
        """The share of the cache that holds tokens which a next prompt may begin with."""
        rows = self._rows
        return 0.0 if rows is None else sum(row.length for row in self._contents) / (len(rows.lengths) * rows.capacity)

    def forget(self) -> None:
        """Keep nothing of earlier prompts."""
        self._contents = []

    def _prefill(self, rows: Rows, prompts: Sequence[TokenRow], kept: list[int], progress: Progress) -> Array:
        """Let the rows hold the prompts, of which they hold `kept` tokens: the hidden state [B, D] of each one's last token.

        A row whose prompt begins as that of an earlier row does waits for that one and copies it.
        """
        sources = _shared_prefixes(prompts, kept)
        cached = [sources[number][1] if number in sources else size for number, size in enumerate(kept)]
        self.usage = [Usage(prompt.length, size) for prompt, size in zip(prompts, cached, strict=True)]
        rows.lengths = np.array([*kept, *[0] * (len(rows.lengths) - len(kept))], np.int32)
        self._contents[: len(prompts)] = [prompt.before(size) for prompt, size in zip(prompts, kept, strict=True)]
        nothing = text_row([])
        first = [nothing if number in sources else prompt.after(cached[number]) for number, prompt in enumerate(prompts)]
        last_BD = self.engine.prefill(rows, first, progress)
        if sources:
            self.engine.copy(rows, sources)
            second = [prompt.after(cached[number]) if number in sources else nothing for number, prompt in enumerate(prompts)]
            last_BD = last_BD + self.engine.prefill(rows, second, progress)
        self._contents[: len(prompts)] = prompts
        return last_BD

    def _prepare(self, count: int, tokens: int) -> Rows:
        """The cache, made anew where it has not enough rows or not enough room in a row."""
        # Where a prefill or a step failed after it had taken the cache, its arrays are deleted.
        deleted = self._rows is not None and self._rows.caches[0].k_BKSC.is_deleted()
        if self._rows is None or deleted or count > len(self._rows.lengths) or tokens > self._rows.capacity:
            self._rows = None  # so that its memory is free before the new one is made
            self._rows = self.engine.new_rows(max(count, self._least_rows), self.context_length if self._reserve else tokens)
            self._contents = []
        self._contents += [text_row([])] * (len(self._rows.lengths) - len(self._contents))
        return self._rows

    def _arrange(self, rows: Rows, prompts: Sequence[TokenRow]) -> None:
        """Let the first rows hold what the prompts begin with, and the others what else is worth keeping."""
        order = arrange(self._contents, prompts)
        moved = {target: source for target, source in enumerate(order) if target != source and self._contents[source].length}
        if moved:
            self.engine.copy(rows, {target: (source, self._contents[source].length) for target, source in moved.items()})
            self._contents = [self._contents[source] for source in order]

    def _detokenizer(self, request: Request) -> Detokenizer:
        return Detokenizer(self.vocabulary.decode, request.settings.stop, OPENING if self.vocabulary.grammar.opening else "")

    def _read(self, answers: Sequence[_Answer], drawn: Drawn) -> Iterator[Piece]:
        """The tokens of a step, as text."""
        token, vision, counts, ended, closing, log_probability = (np.asarray(each)[: len(answers)].tolist() for each in drawn[:6])
        top = None if drawn.top is None else [np.asarray(each) for each in drawn.top]
        for number, answer in enumerate(answers):
            if answer.ended or not counts[number]:
                continue
            settings = answer.request.settings
            answer.tokens.append((token[number], vision[number]))
            stops = not vision[number] and token[number] in settings.stop_ids
            text = "" if vision[number] or stops or closing[number] else answer.detokenizer.add(token[number])
            if vision[number] and not answer.in_span:
                text = answer.detokenizer.open_span()
            answer.in_span = vision[number]
            answer.ended = ended[number] or answer.detokenizer.stopped
            if answer.ended:
                text += answer.detokenizer.finish()
            complete = stops or answer.detokenizer.stopped or (settings.only_vision and closing[number])
            reason: Reason | None = None if not answer.ended else "stop" if complete else "length"
            most_probable = [] if top is None else self._named(top[0][number].tolist(), top[1][number].tolist())
            stopped = answer.detokenizer.stopped
            yield Piece(number, token[number], vision[number], text, log_probability[number], most_probable, reason, stopped)

    def _named(self, tokens: list[int], log_probabilities: list[float]) -> list[tuple[int, bool, float]]:
        size = self.vocabulary.grammar.text_size
        pairs = zip(tokens, log_probabilities, strict=True)
        return [(token % size if token < size else token - size, token >= size, value) for token, value in pairs if value > -np.inf]

    def _keep(self, answers: Sequence[_Answer], batch_rows: int) -> None:
        """Note what the rows hold now: the last token of an answer has not been fed. Unconditional rows are not kept."""
        for number, answer in enumerate(answers):
            fed = answer.tokens[:-1]
            row = TokenRow(np.array([token for token, _ in fed], np.int32), np.array([vision for _, vision in fed], np.bool_))
            self._contents[number] = join(answer.request.prompt, row)
        self._contents[len(answers) : batch_rows] = [text_row([])] * (batch_rows - len(answers))


def _shared_prefixes(prompts: Sequence[TokenRow], kept: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Rows that begin as an earlier one does, by their number: the number of that row, and how many tokens it spares to copy."""
    sources: dict[int, tuple[int, int]] = {}
    for number, (prompt, size) in enumerate(zip(prompts, kept, strict=True)):
        lengths = {earlier: reusable_length(prompts[earlier], prompt) for earlier in range(number) if earlier not in sources}
        if lengths and (most := max(lengths.values())) >= size + WORTH_COPYING:
            sources[number] = next(earlier for earlier, length in lengths.items() if length == most), most
    return sources
