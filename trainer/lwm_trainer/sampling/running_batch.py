"""Requests that are answered side by side: they join while others are answered, and leave when their answers end.

A request that joins takes a free row of the cache. Its prompt is computed in chunks, and between two chunks every other answer gets a
token, so that a long prompt holds nobody up (chunked prefill: Agrawal et al. 2023, arXiv 2308.16369; joining at every step: Yu et al. 2022,
Orca, OSDI). What a row holds is kept when its answer has ended, for the prompts that begin as it does.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jax import Array
from numpy.typing import NDArray

from lwm_trainer.sampling.drafts import Drafts, no_drafts
from lwm_trainer.sampling.engine import Engine
from lwm_trainer.sampling.host_sessions import HostSessions
from lwm_trainer.sampling.kept_rows import FROM_SESSIONS, WORTH_COPYING, Place, place_prompts
from lwm_trainer.sampling.piece import AnswerUnderWay, DrawnToken, Piece, Usage, begin_answer
from lwm_trainer.sampling.prompt import TokenRow, text_row
from lwm_trainer.sampling.row_arrays import Request, Row, row_settings, row_state, rows_of
from lwm_trainer.sampling.step import Drawn, Steps, as_arrays
from lwm_trainer.sampling.vocabulary import Vocabulary


class Joined(NamedTuple):
    """A request that has got a row."""

    number: int
    """The `request` of its pieces."""
    usage: Usage


class Advance(NamedTuple):
    """What has come of one step."""

    pieces: list[Piece]
    """The next tokens of answers: at most one of each, or more where guesses of what follows were right."""
    prefill: tuple[int, int] | None
    """Tokens of the joining prompts that are done, and all that there are; None where no prompt was computed."""


@dataclass(slots=True)
class _Joining:
    """Requests whose prompts are being computed."""

    rows: dict[int, Row]
    """By the row of the cache."""
    answers: dict[int, AnswerUnderWay]
    chunks: Generator[int, None, Array]
    total: int
    top: int
    done: int = 0


class _Issued(NamedTuple):
    """A draw that the devices were told to make, and the answers that it belongs to by their rows."""

    drawn: Drawn
    answers: dict[int, AnswerUnderWay]


class RunningBatch:
    """A cache of some rows, and the requests that are answered in them."""

    def __init__(
        self,
        engine: Engine,
        steps: Steps,
        vocabulary: Vocabulary,
        rows: int,
        capacity: int,
        draft_tokens: int = 0,
        sessions: HostSessions | None = None,
    ) -> None:
        """An empty cache.

        Args:
            rows: answers side by side, at least; a guided one takes two.
            capacity: tokens of a prompt with its answer, at least.
            draft_tokens: those that a step guesses of each answer.
            sessions: keep what rows lose to other prompts; None: it is lost.
        """
        self.engine, self.vocabulary, self._steps = engine, vocabulary, steps
        self._sessions = sessions
        self._cache = engine.new_rows(rows, capacity)
        count = len(self._cache.lengths)
        self._contents = [text_row([])] * count
        self._rows: list[Row | None] = [None] * count
        """Those that are answered; the prompts of `_joining` are not among them yet."""
        self._answers: dict[int, AnswerUnderWay] = {}
        """By the row of the cache."""
        self._free = list(range(count))
        """Rows that answer nothing, those used longest ago first."""
        self._tops: dict[int, int] = {}
        self._settings = self._on_devices(row_settings(self._rows, vocabulary))
        self._state = self._on_devices(row_state(self._rows, vocabulary))
        self._drafts: Drafts = self._on_devices(no_drafts(count, self.capacity, draft_tokens))
        self._joining: _Joining | None = None
        self._issued: list[_Issued] = []
        self._requests = 0

    @property
    def rows(self) -> int:
        return len(self._rows)

    @property
    def capacity(self) -> int:
        return self._cache.capacity

    @property
    def free(self) -> int:
        """Rows for requests that join."""
        return len(self._free)

    @property
    def joining(self) -> bool:
        """Whether prompts are being computed. Others must wait until they are."""
        return self._joining is not None

    @property
    def idle(self) -> bool:
        """Whether nothing is answered."""
        return self._joining is None and not self._answers

    @property
    def broken(self) -> bool:
        """Whether a step failed after it had taken the cache: its arrays are deleted."""
        return bool(self._cache.caches[0].k_BKSC.is_deleted())

    @property
    def use(self) -> float:
        """The share of the cache that holds tokens which a next prompt may begin with."""
        return sum(content.length for content in self._contents) / (self.rows * self.capacity)

    def forget(self) -> None:
        """Keep nothing of earlier prompts in the free rows."""
        for row in self._free:
            self._contents[row] = text_row([])

    def join(self, requests: Sequence[Request], top: int = 0) -> list[Joined]:
        """Let requests be answered from now on; their first tokens come together.

        Args:
            top: how many of the most probable tokens come with each token.

        Raises SettingsError for what cannot be answered, and ValueError where prompts are being computed or where rows are missing.
        """
        if self._joining is not None:
            raise ValueError("prompts are being computed: wait until they are")
        batch = rows_of(requests, self.vocabulary)
        places = place_prompts(self._contents, self._free, [row.prompt for row in batch])
        if self._sessions is not None:
            places = self._look_into_sessions(self._sessions, places, batch)
        taken = [place.row for place in places]
        self._free = [row for row in self._free if row not in taken]
        numbers = range(self._requests, self._requests + len(requests))
        self._requests += len(requests)
        self._joining = _Joining(
            rows={row: each._replace(follows=taken[each.follows]) for row, each in zip(taken, batch, strict=True)},
            answers={
                row: begin_answer(number, request, self.vocabulary) for row, number, request in zip(taken, numbers, requests, strict=False)
            },
            chunks=self._prefill(places, batch),
            total=sum(row.prompt.length - place.length for place, row in zip(places, batch, strict=True)),
            top=top,
        )
        return [
            Joined(number, Usage(request.prompt.length, place.length))
            for number, request, place in zip(numbers, requests, places, strict=False)
        ]

    def advance(self) -> Advance:
        """Compute a chunk of the joining prompts and a token of every answer; what comes back was begun by the call before.

        So devices need not wait for the host.
        """
        former, self._issued = self._issued, []
        if any(answer.goes_on for answer in self._answers.values()):
            self._issue_step()
        prefill = self._advance_prefill()
        return Advance([piece for issued in former for piece in self._read(issued)], prefill)

    def cancel(self, number: int) -> None:
        """End the answer to a request; nothing more comes of it. Its row is free at once, or after its prompt's chunk."""
        for row, answer in list(self._answers.items()):
            if answer.number == number:
                self._leave(row, answer)
        if (joining := self._joining) is not None:
            for answer in joining.answers.values():
                answer.ended = answer.ended or answer.number == number
            if all(answer.ended for answer in joining.answers.values()):
                joining.chunks.close()
                self._joining = None
                self._free += joining.rows

    def _prefill(self, places: Sequence[Place], batch: Sequence[Row]) -> Generator[int, None, Array]:
        """Let the rows hold the prompts: the hidden state [B, D] of each one's last token. Yields as `Engine.prefill_in_chunks`."""
        last_BD: Array | None = None
        for wave in range(1 + max(place.wave for place in places)):
            own = [(place, row.prompt) for place, row in zip(places, batch, strict=True) if place.wave == wave]
            # Copies come first, because a prompt may overwrite what another one begins with.
            for place, prompt in sorted(own, key=lambda each: each[0].source in (each[0].row, FROM_SESSIONS)):
                self._begin_as_source(place, prompt)
            new = [text_row([])] * self.rows
            for place, prompt in own:
                new[place.row] = prompt.after(place.length)
            try:
                wave_BD = yield from self.engine.prefill_in_chunks(self._cache, new)
            finally:
                for place, prompt in own:  # also where they were cancelled meanwhile
                    self._contents[place.row] = prompt.before(int(self._cache.lengths[place.row]))
            last_BD = wave_BD if last_BD is None else last_BD + wave_BD
        return last_BD  # type: ignore[return-value] # there is a wave

    def _look_into_sessions(self, sessions: HostSessions, places: Sequence[Place], batch: Sequence[Row]) -> list[Place]:
        """Save what the rows lose; the places with what the sessions have more of the prompts."""
        for place in places:
            content = self._contents[place.row]
            if place.source != place.row or place.length < content.length:
                sessions.save(self._cache, place.row, content)
        lengths = [sessions.length(row.prompt) for row in batch]
        return [
            place._replace(source=FROM_SESSIONS, length=length) if length >= place.length + WORTH_COPYING else place
            for place, length in zip(places, lengths, strict=True)
        ]

    def _begin_as_source(self, place: Place, prompt: TokenRow) -> None:
        if place.source == FROM_SESSIONS:
            self._sessions.restore(self._cache, place.row, prompt, place.length)  # type: ignore[union-attr] # they gave the place
        elif place.source != place.row:
            self.engine.copy(self._cache, place.source, place.row, place.length)
        else:
            self._cache.lengths = self._cache.lengths.copy()
            self._cache.lengths[place.row] = place.length

    def _advance_prefill(self) -> tuple[int, int] | None:
        joining = self._joining
        if joining is None:
            return None
        try:
            joining.done += next(joining.chunks)
            return joining.done, joining.total
        except StopIteration as end:
            last_BD: Array = end.value
        self._joining = None
        for row, each in joining.rows.items():
            self._rows[row] = each
        joins_B = np.array([row in joining.rows for row in range(self.rows)])
        start = self._on_devices(row_state(self._rows, self.vocabulary))
        self._settings = self._on_devices(row_settings(self._rows, self.vocabulary))
        if self._drafts.history_BS.size:
            for row, each in joining.rows.items():
                self._drafts = self._steps.remember(self._drafts, row, self._on_devices(self._joint(each.prompt)))
        scores = self.engine.logits(last_BD)
        self._state, self._drafts, drawn = self._steps.join(
            scores, self._state, self._drafts, start, self._on_devices(joins_B), self._settings, joining.top
        )
        self._issued.append(_Issued(drawn, joining.answers))
        for row, answer in joining.answers.items():
            self._answers[row], self._tops[row] = answer, joining.top
            answer.begun_steps += 1
            if answer.ended:  # it was cancelled meanwhile
                self._leave(row, answer)
        return None

    def _issue_step(self) -> None:
        """Let the devices feed the last tokens and draw the next ones."""
        top = max(self._tops.values())
        cache = self._cache
        cache.caches, self._state, self._drafts, drawn = self._steps.next(
            self.engine.params, cache.caches, self._state, self._drafts, self._settings, top
        )
        for answer in self._answers.values():
            answer.begun_steps += 1
        self._issued.append(_Issued(drawn, dict(self._answers)))

    def _read(self, issued: _Issued) -> list[Piece]:
        """The tokens of a draw, as text. Answers that end leave."""
        drawn, pieces = issued.drawn, []
        token, vision, counts, ended, closing, log_probability = (np.asarray(each).tolist() for each in drawn[:6])
        top = None if drawn.top is None else [np.asarray(each) for each in drawn.top]
        for row, answer in issued.answers.items():
            for place, own in enumerate(zip(token[row], vision[row], ended[row], closing[row], log_probability[row], strict=True)):
                if answer.ended or not counts[row][place]:
                    break
                most_probable = [] if top is None else self._named(top[0][row, place].tolist(), top[1][row, place].tolist())
                piece = answer.read(DrawnToken(*own), most_probable)
                pieces.append(piece)
                if piece.reason is not None:
                    self._leave(row, answer)
        return pieces

    def _leave(self, row: int, answer: AnswerUnderWay) -> None:
        """Free the rows of an answer; what its own row holds is kept."""
        answer.ended = True
        own = [number for number, each in enumerate(self._rows) if each is not None and each.follows == row]
        # The devices know no stop texts and no cancelling: without this, they would go on to write into the rows.
        leaves_B = np.array([number in own for number in range(self.rows)])
        self._state = self._steps.leave(self._state, self._on_devices(leaves_B))
        for number in own:
            self._rows[number] = None
            self._contents[number] = answer.fed() if number == row else text_row([])
        del self._answers[row], self._tops[row]
        self._free = [*(number for number in own if number != row), *self._free, row]

    def _named(self, tokens: list[int], log_probabilities: list[float]) -> list[tuple[int, bool, float]]:
        size = self.vocabulary.grammar.text_size
        pairs = zip(tokens, log_probabilities, strict=True)
        return [(token % size if token < size else token - size, token >= size, value) for token, value in pairs if value > -np.inf]

    def _joint(self, prompt: TokenRow) -> NDArray[np.int32]:
        """The prompt's tokens as those of both vocabularies together, and zeros up to the capacity."""
        joint = np.where(prompt.vision, prompt.tokens + self.vocabulary.grammar.text_size, prompt.tokens)
        return np.pad(joint, (0, self.capacity - prompt.length)).astype(np.int32)

    def _on_devices(self, tree: Any) -> Any:
        return as_arrays(tree, self.engine.programs.mesh)
