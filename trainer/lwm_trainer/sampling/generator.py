"""Answers to requests, token by token: those of one call, together, or those of a running batch that requests join as they come."""

from collections import abc
from collections.abc import Sequence

from lwm_trainer.sampling.engine import Engine, Progress, no_progress
from lwm_trainer.sampling.host_sessions import HostSessions
from lwm_trainer.sampling.piece import Piece, Usage
from lwm_trainer.sampling.row_arrays import Request, rows_of
from lwm_trainer.sampling.running_batch import RunningBatch
from lwm_trainer.sampling.settings import SettingsError
from lwm_trainer.sampling.step import make_steps
from lwm_trainer.sampling.vocabulary import Vocabulary


class Generator:
    """Answers requests. What the rows of the cache hold is kept for the next ones, as far as their prompts begin with it."""

    def __init__(
        self,
        engine: Engine,
        vocabulary: Vocabulary,
        context_length: int,
        *,
        reserve: bool = True,
        rows: int = 1,
        draft_tokens: int = 0,
        host_bytes: int = 0,
    ) -> None:
        """A generator with an empty cache.

        Args:
            reserve: whether the cache has room for whole contexts from the beginning, or for what the requests need, each time anew.
            rows: rows of the cache, at least.
            draft_tokens: those that a step guesses of each answer, see `drafts`.
            host_bytes: of each host's memory, for what rows lose to other prompts, see `host_sessions`.
        """
        self.engine, self.vocabulary, self.context_length, self._reserve = engine, vocabulary, context_length, reserve
        self._least_rows, self._draft_tokens = rows, draft_tokens
        self._sessions = HostSessions(engine, host_bytes) if host_bytes else None
        self._steps = make_steps(engine.programs, vocabulary.grammar)
        self._batch: RunningBatch | None = None
        self.usage: list[Usage] = []
        """The prompts of the last call of `generate`, by request."""

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
        """Answer the requests together; each yield has the next tokens of every answer that has not ended: one, or more if guessed.

        Args:
            top: how many of the most probable tokens come with each token.
            progress: called after each chunk of the prefill.

        Raises SettingsError before anything is computed. An answer does not depend on the other requests.
        """
        for request in requests:
            self.check(request)
        tokens = max(request.prompt.length + request.settings.max_tokens for request in requests)
        batch = self.batch(len(rows_of(requests, self.vocabulary)), tokens)
        joined = batch.join(requests, top)
        self.usage = [each.usage for each in joined]
        first = joined[0].number
        try:
            while not batch.idle:
                pieces, prefill = batch.advance()
                if prefill is not None:
                    progress(*prefill)
                if pieces:
                    yield [piece._replace(request=piece.request - first) for piece in pieces]
        finally:
            for each in joined:
                batch.cancel(each.number)

    def batch(self, rows: int = 1, tokens: int = 1) -> RunningBatch:
        """The batch that answers, made anew where it has not enough rows or not enough room in a row, and where a step had failed."""
        batch = self._batch
        if batch is None or batch.broken or rows > batch.rows or tokens > batch.capacity:
            self._batch = batch = None  # so that its memory is free before the new one is made
            capacity = self.context_length if self._reserve else tokens
            rows = max(rows, self._least_rows)
            self._batch = RunningBatch(self.engine, self._steps, self.vocabulary, rows, capacity, self._draft_tokens, self._sessions)
        return self._batch  # type: ignore[return-value]

    @property
    def cache_use(self) -> float:
        """The share of the cache that holds tokens which a next prompt may begin with."""
        return 0.0 if self._batch is None else self._batch.use

    def forget(self) -> None:
        """Keep nothing of earlier prompts."""
        if self._sessions is not None:
            self._sessions.forget()
        if self._batch is not None:
            self._batch.forget()

    def start_anew(self) -> None:
        """Give up all answers and the cache, after an error that nobody foresaw."""
        self.forget()
        self._batch = None
