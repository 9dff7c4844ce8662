"""A long text tokenized in windows that overlap, so that memory does not grow with the text; the ids are those of the whole text.

A tokenizer needs about a hundred bytes for each letter that it is given. Two neighbouring windows share the letters of their overlap: the
first knows what comes before them, the second what comes after. Where both make the same tokens of a stretch of letters, these are the
tokens of the whole text, because what a tokenizer makes of letters depends only on letters near them. There the first window ends and the
second goes on. Windows that agree nowhere are replaced by one window over both.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WINDOW, OVERLAP = 2**16, 2**12
"""Characters of a window, and how many of them it shares with the next. Powers of two, because runs of one letter are cut at these."""
LONG_TEXT = 2**20
"""Characters beyond which a text is tokenized in windows, and that short texts have together in one call."""
_WINDOWS_AT_ONCE = 16
"""Windows in one call, which the tokenizer spreads over its threads."""
_AGREEING_TOKENS = 16


class Tokens(NamedTuple):
    """The tokens of a text."""

    ids: NDArray[np.int32]
    """[tokens]"""
    offsets: NDArray[np.int64]
    """[tokens, 2], the characters that each token stands for: begin, and end (exclusive)."""


Tokenize = Callable[[Sequence[str]], Sequence[Tokens]]
"""Tokens of each text by itself; offsets count from its beginning."""


def tokenize_in_windows(text: str, tokenize: Tokenize, size: int = WINDOW, overlap: int = OVERLAP) -> Tokens:
    """The tokens of `text`, of which a few windows are given to `tokenize` at once. `size` is at least twice `overlap`."""
    windows: list[_Window] = []
    joins: list[tuple[int, int]] = []
    """Between neighbours: how many tokens of the left window count, and from which on those of the right one."""
    for window in _windows(text, tokenize, size, overlap):
        while windows and (join := _find_join(windows[-1], window)) is None:
            window = _tokenize_span(text, tokenize, windows.pop().begin, window.end)
            del joins[max(len(windows) - 1, 0) :]
        if windows and join is not None:
            joins.append(join)
        windows.append(window)
    begins, ends = [0, *(begin for _, begin in joins)], [*(end for end, _ in joins), None]
    counted = [slice(begin, end) for begin, end in zip(begins, ends, strict=True)]
    return Tokens(
        np.concatenate([window.tokens.ids[part] for window, part in zip(windows, counted, strict=True)]),
        np.concatenate([window.tokens.offsets[part] for window, part in zip(windows, counted, strict=True)]),
    )


class _Window(NamedTuple):
    begin: int
    end: int
    tokens: Tokens
    """Offsets count from the beginning of the whole text."""


def _windows(text: str, tokenize: Tokenize, size: int, overlap: int) -> Iterator[_Window]:
    begins = range(0, max(len(text) - overlap, 1), size - overlap)
    for first in range(0, len(begins), _WINDOWS_AT_ONCE):
        some = begins[first : first + _WINDOWS_AT_ONCE]
        for begin, tokens in zip(some, tokenize([text[begin : begin + size] for begin in some]), strict=True):
            yield _Window(begin, min(begin + size, len(text)), Tokens(tokens.ids, tokens.offsets + begin))


def _tokenize_span(text: str, tokenize: Tokenize, begin: int, end: int) -> _Window:
    (tokens,) = tokenize([text[begin:end]])
    return _Window(begin, end, Tokens(tokens.ids, tokens.offsets + begin))


def _find_join(left: _Window, right: _Window) -> tuple[int, int] | None:
    """How many tokens of the left window count, and from which on those of the right one; None if they agree nowhere.

    Of the places where they agree, one near the middle of the overlap is taken, far from both windows' ends.
    """
    left_rows, right_rows = (np.column_stack([window.tokens.ids, window.tokens.offsets]) for window in (left, right))
    ends = np.flatnonzero(right_rows[:, 1] >= left.end)
    candidates = np.arange(int(ends[0]) if len(ends) else len(right_rows))
    middle = (right.begin + left.end) / 2
    for first in candidates[np.argsort(np.abs(right_rows[candidates, 1] - middle), kind="stable")]:
        run = right_rows[first : first + _AGREEING_TOKENS]
        place = int(np.searchsorted(left_rows[:, 1], run[0, 1]))
        if len(run) == _AGREEING_TOKENS and np.array_equal(left_rows[place : place + _AGREEING_TOKENS], run):
            half = _AGREEING_TOKENS // 2
            return place + half, int(first) + half
    return None


def is_long(group: Sequence[str]) -> bool:
    """Whether a group of `group_by_size` is one text that is to be tokenized in windows."""
    return len(group) == 1 and len(group[0]) > LONG_TEXT


def group_by_size(texts: Sequence[str], size: int) -> Iterator[list[str]]:
    """Yield the texts in their order, in groups of at most `size` characters; a longer text is a group by itself."""
    group: list[str] = []
    characters = 0
    for text in texts:
        if group and characters + len(text) > size:
            yield group
            group, characters = [], 0
        group.append(text)
        characters += len(text)
    if group:
        yield group
