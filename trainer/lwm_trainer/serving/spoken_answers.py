"""The tokens of answers that were given, so that the next turn of a conversation begins as the cache does."""

import threading
from collections import OrderedDict

KEPT = 256
"""Answers, of which those that were used last are kept."""


class SpokenAnswers:
    """A client sends an answer back as text, which may be other tokens than those that were drawn."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[str, list[int]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, text: str, tokens: list[int]) -> None:
        """Note the tokens of an answer, which decode to its text."""
        with self._lock:
            self._tokens[text] = tokens
            self._tokens.move_to_end(text)
            if len(self._tokens) > KEPT:
                self._tokens.popitem(last=False)

    def tokens(self, text: str) -> list[int] | None:
        """The tokens of an answer; None for a text that was none of the last ones."""
        with self._lock:
            if text in self._tokens:
                self._tokens.move_to_end(text)
            return self._tokens.get(text)
