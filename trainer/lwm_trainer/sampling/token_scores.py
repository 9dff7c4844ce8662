"""How probable given tokens are: teacher-forced scores of a text, through the same prefill and cache as generation."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.sampling.engine import Engine, Rows
from lwm_trainer.sampling.prompt import TokenRow, common_length, join


class TokenScores(NamedTuple):
    """Scores of n tokens, each given all before it."""

    log_probability: NDArray[np.float32]
    """[n], in nats, among the tokens of its own vocabulary, as in the training's loss."""
    most_probable: NDArray[np.bool_]
    """[n], whether no other token of its vocabulary is more probable."""

    @property
    def total(self) -> float:
        """The log-probability of all tokens together, in nats."""
        return float(self.log_probability.sum(dtype=np.float64))


class TokenScorer:
    """Scores texts with one row of cache. What the row holds is kept: a text that begins as the last one did computes only the rest."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rows: Rows | None = None
        self._content: TokenRow | None = None

    def score(self, context: TokenRow, continuation: TokenRow) -> TokenScores:
        """The scores of the continuation's tokens after the context, which has one token at least. Raises ValueError for an empty one."""
        if not context.length:
            raise ValueError("context: is empty: begin it with the token that begins a document")
        whole = join(context, continuation)
        rows = self._prepare(whole.length)
        shared = 0 if self._content is None else common_length(self._content, whole)
        rows.lengths[0] = kept = min(shared, context.length - 1)
        self._content = None  # until the row is whole again
        # The token before the first one that is scored is fed with them: its hidden state gives the first score.
        self._engine.prefill(rows, [whole.before(context.length - 1).after(kept)])
        fed = whole.before(whole.length - 1).after(context.length - 1)
        scores = TokenScores(*self._engine.prefill_scored(rows, fed, continuation))
        self._content = whole.before(whole.length - 1)
        return scores

    def _prepare(self, tokens: int) -> Rows:
        if self._rows is None or tokens > self._rows.capacity:
            self._rows = None  # so that its memory is free before the new one is made
            self._rows, self._content = self._engine.new_rows(1, tokens), None
        self._rows.lengths = self._rows.lengths.copy()
        return self._rows
