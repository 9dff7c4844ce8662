"""Text out of tokens as they come, with texts that end it."""

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"
"""What a tokenizer writes for bytes that are not yet a whole character."""


class Detokenizer:
    """Decodes tokens one by one; a text is given out once nothing that follows can change it or make a stop text of it.

    The stop text that is complete first ends the answer; of two that end together, the longer one.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stop: Sequence[str] = (), tag: str = "") -> None:
        """`tag` opens a vision span where it is written as text; it is not part of the answer's text then."""
        self._decode, self._stop, self._tag = decode, tuple(stop), tag
        self._tokens: list[int] = []
        self._begin = self._read = 0
        """Tokens before `_read` are decoded. Those from `_begin` on are decoded again with the next one: pieces join to a character,
        and the first piece of a text may lose its space."""
        self._held = ""
        self.stopped = False
        """Whether a stop text came; nothing is given out after that."""

    def add(self, token: int) -> str:
        """The text that is certain now."""
        self._tokens.append(token)
        before, now = (self._decode(self._tokens[self._begin : end]) for end in (self._read, len(self._tokens)))
        if len(now) <= len(before) or now.endswith(UNFINISHED):
            return ""
        self._begin, self._read = self._read, len(self._tokens)
        return self._give(now[len(before) :], last=False)

    def open_span(self) -> str:
        """The text before a vision span, whose tag has been written."""
        text = self.finish().removesuffix(self._tag)
        self._tokens, self._begin, self._read = [], 0, 0
        return text

    def finish(self) -> str:
        """The rest of the text, with what was not yet certain."""
        before, now = (self._decode(self._tokens[self._begin : end]) for end in (self._read, len(self._tokens)))
        self._begin = self._read = len(self._tokens)
        return self._give(now[len(before) :], last=True)

    def _give(self, text: str, *, last: bool) -> str:
        if self.stopped:
            return ""
        self._held += text
        complete = [(at + len(stop), at) for stop in self._stop if (at := self._held.find(stop)) >= 0]
        if complete:
            self.stopped = True
            (_, begin), self._held, text = min(complete), "", self._held
            return text[:begin]
        kept = 0 if last else max([_overlap(self._held, self._tag + "."), *(_overlap(self._held, stop) for stop in self._stop)])
        given, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        return given


def _overlap(text: str, stop: str) -> int:
    """Letters at the end of the text with which `stop` begins."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
