"""Requests as arrays over the rows of a batch: settings, and where each row begins."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from lwm_trainer.sampling.filters import FilterArrays
from lwm_trainer.sampling.grammar import GrammarState, Limits
from lwm_trainer.sampling.prompt import TokenRow, join
from lwm_trainer.sampling.settings import Filters, Settings, SettingsError
from lwm_trainer.sampling.step import RowSettings, RowState
from lwm_trainer.sampling.vocabulary import Vocabulary


class Request(NamedTuple):
    """A prompt and how it is answered."""

    prompt: TokenRow
    settings: Settings


class Row(NamedTuple):
    """A row of the batch: a request, or the unconditional row of one."""

    request: Request
    prompt: TokenRow
    """What the row begins with."""
    state: int
    """The grammar's state after the prompt, and the whole frames of an open span."""
    frames: int
    follows: int
    """The number of the request's own row, which is this one's but for an unconditional row."""


def rows_of(requests: Sequence[Request], vocabulary: Vocabulary) -> list[Row]:
    """The rows of the requests, first one for each, then an unconditional one for each that is guided. Raises SettingsError."""
    rows, guides = [], []
    for number, request in enumerate(requests):
        request.settings.check()
        state, frames = _begin(request, vocabulary)
        rows.append(Row(request, request.prompt, state, frames, number))
        if vocabulary.grammar.opening and request.settings.guidance != 1:
            tail = request.prompt.after(_span_begin(request.prompt) if _in_span(state, vocabulary) else request.prompt.length)
            guides.append(Row(request, join(vocabulary.begin(), vocabulary.opening(), tail), state, frames, number))
    return [*rows, *guides]


def _begin(request: Request, vocabulary: Vocabulary) -> tuple[int, int]:
    """The state and frames after the prompt. Raises SettingsError where the answer cannot be what the settings ask for."""
    prompt, settings, grammar = request.prompt, request.settings, vocabulary.grammar
    if not prompt.length:
        raise SettingsError("prompt is empty: give at least one token")
    if not grammar.opening:
        if prompt.vision.any() or settings.only_vision:
            raise SettingsError("vision: the model has no vision vocabulary: ask for text")
        return grammar.state_after(prompt.tokens, prompt.vision)
    try:
        state, frames = grammar.state_after(prompt.tokens, prompt.vision)
    except ValueError as error:
        raise SettingsError(f"prompt: {error}") from error
    least = settings.min_frames
    if _in_span(state, vocabulary):
        place = state - grammar.first_code
        if frames >= settings.max_frames:
            raise SettingsError(
                f"max_frames is {settings.max_frames}, but the prompt has {frames} frames already: give {frames + 1} or more"
            )
        left = max(least - frames, 1)
        needed = left * grammar.frame_tokens - place + len(grammar.closing)
    else:
        needed = 0 if least == 1 else least * grammar.frame_tokens + len(grammar.closing) + len(grammar.opening)
    if needed > settings.max_tokens:
        raise SettingsError(
            f"max_tokens is {settings.max_tokens}, but {least} frames and their end take {needed} tokens: give {needed} or more"
        )
    return state, frames


def _in_span(state: int, vocabulary: Vocabulary) -> bool:
    return vocabulary.grammar.first_code <= state <= vocabulary.grammar.separator


def _span_begin(prompt: TokenRow) -> int:
    """Where the vision tokens at the end of the prompt begin."""
    text = np.flatnonzero(~prompt.vision)
    return int(text[-1]) + 1 if len(text) else 0


def row_settings(rows: Sequence[Row | None], vocabulary: Vocabulary) -> RowSettings:
    """The settings of the rows as NumPy arrays; None: a row that is not used."""
    unused = Settings(max_tokens=1)
    settings = [unused if row is None else row.request.settings for row in rows]
    own: Any = np.arange(len(rows), dtype=np.int32)
    unconditional, follows = own.copy(), own.copy()
    for number, row in enumerate(rows):
        if row is not None and row.follows != number:
            follows[number], unconditional[row.follows] = row.follows, number
    stop_ids: Any = np.full((len(rows), max([1, *(len(each.stop_ids) for each in settings)])), -1, np.int32)
    for number, each in enumerate(settings):
        stop_ids[number, : len(each.stop_ids)] = each.stop_ids

    def column(value: Callable[[Settings], float], dtype: type) -> Any:
        return np.array([*map(value, settings)]).astype(dtype)

    def filter_arrays(of: Callable[[Settings], Filters]) -> FilterArrays:
        return FilterArrays(
            temperature=column(lambda each: of(each).temperature, np.float32),
            top_k=column(lambda each: of(each).top_k, np.int32),
            top_p=column(lambda each: of(each).top_p, np.float32),
            min_p=column(lambda each: of(each).min_p, np.float32),
        )

    return RowSettings(
        text=filter_arrays(lambda each: each.text),
        vision=filter_arrays(lambda each: each.vision),
        seed=column(lambda each: each.seed, np.uint32),
        stop_ids=stop_ids,
        limits=Limits(
            min_frames=column(lambda each: each.min_frames, np.int32),
            max_frames=column(lambda each: each.max_frames, np.int32),
            may_show=column(lambda each: each.may_show, np.bool_),
            only_vision=column(lambda each: each.only_vision, np.bool_),
        ),
        guidance=column(lambda each: each.guidance, np.float32),
        unconditional=unconditional,
        follows=follows,
        base=column(lambda _: 1 + len(vocabulary.grammar.opening), np.int32),
    )


def row_state(rows: Sequence[Row | None], vocabulary: Vocabulary) -> RowState:
    """Where the rows are after their prompts, before the first draw, as NumPy arrays; None: a row that has ended."""

    def column(value: Callable[[Row], int], absent: int) -> Any:
        return np.array([absent if row is None else value(row) for row in rows], np.int32)

    nothing: Any = np.zeros(len(rows), np.int32)
    state = column(lambda row: row.state, vocabulary.grammar.end)
    frames, remaining = column(lambda row: row.frames, 0), column(lambda row: row.request.settings.max_tokens, 0)
    place = column(lambda row: row.prompt.length, 0)
    return RowState(nothing, nothing > 0, place, nothing > 0, GrammarState(state, frames, remaining))
